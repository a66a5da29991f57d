"""A server of sockets that answers as it is told: what no real Centrifugo can be made to do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.test import override_settings


@dataclass(frozen=True)
class Request:
    """What a client asked for; `connection` counts the connections from 0."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of its publishes."""
        commands = [command["publish"] for command in self.json.get("commands", [])] or [self.json]
        return [command["idempotency_key"] for command in commands]


#: Sends an answer, and tells whether the connection goes on.
Answer = Callable[["FakeServer", socket.socket, Request], bool]


class FakeServer:
    """Answers the n-th request with the n-th answer, all later ones with the last."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.requests = list(answers), list[Request]()
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.ended.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client, len(self._sockets)), daemon=True)
            self._sockets.append(client)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with client, client.makefile("rb") as reader, suppress(OSError, ValueError):
            while request := _read(reader, number):
                with self._lock:
                    self.requests.append(request)
                    answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
                if not answer(self, client, request):
                    with suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)
                    return


def _read(reader: Any, number: int) -> Request | None:
    line = reader.readline().decode()
    if not line:
        return None
    headers = {}
    while (header := reader.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line.split()[1], headers, reader.read(int(headers.get("content-length", 0))), number)


def answer(body: bytes | dict[str, Any], status: int = 200, *, keep: bool = True) -> Answer:
    """Answer with this body; without `keep` the connection is closed behind it, and the client is not told before."""

    def send(server: FakeServer, client: socket.socket, request: Request) -> bool:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        client.sendall(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content))
        return keep

    return send


def accepted(server: FakeServer, client: socket.socket, request: Request) -> bool:
    """Take what is published, as Centrifugo does; each `epoch` is the idempotency key, to tell answers apart."""
    results = [{"offset": number, "epoch": key} for number, key in enumerate(request.keys, 1)]
    if request.path.endswith("/batch"):
        return answer({"replies": [{"publish": result} for result in results]})(server, client, request)
    return answer({"result": results[0]})(server, client, request)


def closed(server: FakeServer, client: socket.socket, request: Request) -> bool:
    """Read the request, and close."""
    return False


def half(server: FakeServer, client: socket.socket, request: Request) -> bool:
    """Close in the middle of the answer."""
    client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"result":')
    return False


def silent(server: FakeServer, client: socket.socket, request: Request) -> bool:
    """Never answer."""
    server.ended.wait(30)
    return False


@contextmanager
def fake_server(*answers: Answer) -> Iterator[FakeServer]:
    """Run a fake server, with Django's settings pointing at it."""
    server = FakeServer(*(answers or (accepted,)))
    try:
        with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=server.port):
            yield server
    finally:
        server.close()
