"""The proxies in front of the server's HTTP API, and of Redis and PostgreSQL, which misbehave while `fault` is set."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from tests.tcp_proxies import Cable

#: Of HTTP: all but "slow" let the server have every second request nevertheless.
FAULTS = ("slow", "cut", "500", "garbage", "half")
#: Of a connection to Redis or PostgreSQL.
LINK_FAULTS = ("slow", "cut")
#: "cut" is for each tenth request, or each tenth packet.
EACH = 10
#: Seconds by which "slow" delays an answer, or a packet.
DELAY = 0.2


class Link(Cable):
    """A TCP proxy; `injured` counts the packets that met a fault."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.fault: str | None = None
        self.injured = 0
        self.numbers = count()

    def forward(self, block: bytes, sink: socket.socket) -> None:
        fault = self.fault
        if fault == "slow":
            self.injured += 1
            time.sleep(DELAY)
        elif fault == "cut" and not next(self.numbers) % EACH:
            self.injured += 1
            raise ConnectionAbortedError
        super().forward(block, sink)


class Proxy(ThreadingHTTPServer):
    """Forward requests to the port `target`. `fault` is one of FAULTS, or None."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.fault, self.injured = target, None, 0
        self.numbers = count()
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    fault: str | None

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that have closed their connection."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number, fault = next(self.server.numbers), self.server.fault
        if fault == "cut" and number % EACH:
            fault = None
        if fault is not None:
            self.server.injured += 1
        if fault == "slow":
            time.sleep(DELAY)
        if fault in (None, "slow"):
            self._answer(*self._ask(body))
            return
        if number % 2:
            self._ask(body)
        self.close_connection = True
        self._misbehave(fault)

    def _misbehave(self, fault: str) -> None:
        if fault == "500":
            self._answer(500, b"no")
        elif fault == "garbage":
            self._answer(200, b"\x00\xff{]")
        elif fault == "half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b'{"replies":[{"publ')
        else:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        server = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        try:
            server.request("POST", self.path, body, {"X-API-Key": self.headers.get("X-API-Key", "")})
            answer = server.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 502, b""
        finally:
            server.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""
