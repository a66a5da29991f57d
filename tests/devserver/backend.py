"""A backend that answers rpc commands as their method says, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What the backend answers to a method: a body, or a status and a body.
ANSWERS: dict[str, Any] = {
    "null": '{"result":{"data":null}}',
    "spaced": '{"result":{"data": {"a" : 1,\n "b":[2]}}}',
    "no data": '{"result":{}}',
    "no result": '{"result":null}',
    "nothing": "{}",
    "JSON null": "null",
    "unknown fields": '{"result":{"data":1,"x":2},"y":[]}',
    "base64": '{"result":{"b64data":"eyJhIjoxfQ=="}}',
    "error": '{"error":{"code":1000,"message":"spam","temporary":false}}',
    "temporary": '{"error":{"code":1000,"message":"spam","temporary":true}}',
    "low": '{"error":{"code":50,"message":"low"}}',
    "empty error": '{"error":{}}',
    "error and result": '{"error":{"code":1000,"message":"spam"},"result":{"data":1}}',
    "array": "[]",
    "array as result": '{"result":[]}',
    "error of wrong types": '{"error":{"code":"1000"}}',
    "trailing": '{"result":{"data":1}} x',
    "empty": "",
    "HTML": "<html></html>",
    "201": (201, '{"result":{"data":1}}'),
    "204": (204, ""),
    "403": (403, '{"result":{"data":1}}'),
    "404": (404, "{}"),
    "500": (500, '{"result":{"data":1}}'),
    "kicked": '{"disconnect":{"code":4500,"reason":"kicked"}}',
    "disconnect and result": '{"result":{"data":1},"disconnect":{"code":4001,"reason":"x"}}',
}


class Listener(ThreadingHTTPServer):
    request_queue_size = 50


class FakeBackend:
    """Answers at `url`; "slow" methods after half a second, and "echo" with what they were asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.busy, self.most = 0, 0
        self.lock = threading.Lock()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = backend.answer(json.loads(body), dict(self.headers))
                with contextlib.suppress(OSError):  # who asked may be gone
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/rpc/"

    def answer(self, question: dict[str, Any], headers: dict[str, str]) -> tuple[int, str]:
        with self.lock:
            self.asked.append(question)
            self.headers.append(headers)
            self.busy += 1
            self.most = max(self.most, self.busy)
        method = question.get("method", "")
        if method.startswith("slow"):
            time.sleep(0.5)
        with self.lock:
            self.busy -= 1
        found = ANSWERS.get(method, json.dumps({"result": {"data": question.get("data")}}))
        return (200, found) if isinstance(found, str) else found


@contextlib.contextmanager
def fake_backend() -> Iterator[FakeBackend]:
    """Run a backend while the block runs."""
    backend = FakeBackend()
    thread = threading.Thread(target=backend.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        backend.server.shutdown()
        backend.server.server_close()
        thread.join(10)


def rpc_section(url: str, **proxy: Any) -> dict[str, Any]:
    """The config by which a server asks the backend."""
    options = {"endpoint": url, "timeout": "2s", "include_connection_meta": True, **proxy}
    options.setdefault("http_headers", ["User-Agent", "accept-language"])
    return {
        "proxy": {**options, "http": {"static_headers": {"X-Instant-Secret": "s3cret"}}},
        "without_namespace": {"proxy_enabled": True},
        "namespaces": [{"name": "off"}, {"name": "open", "proxy_enabled": True}],
    }
