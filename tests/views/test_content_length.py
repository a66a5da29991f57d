"""A Content-Length that is no number is a 400 on every endpoint: behind real servers, and without one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from django.test import Client

from instant.conf import conf
from instant.testing.live_servers import free_port
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
ENDPOINTS = [
    ("POST", "/instant/login/"),
    ("GET", "/instant/get_token/"),
    ("POST", "/instant/get_token/"),
    ("POST", "/instant/subscribe/"),
    ("POST", "/instant/logout/"),
    ("POST", "/instant/proxy/rpc/"),
    ("GET", "/instant/"),
    ("POST", "/instant/"),
    ("GET", "/instant/labels.js"),
]
WRONG = ["abc", "-1", "+5", "1e3", "0x10", "5, 5", "1.0", "9" * 30, "9" * 5000, "\u0665"]
TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]


@pytest.fixture
def client(db: None) -> Client:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root", password="pw"))
    return client


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("length", WRONG, ids=lambda length: length[:10])
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_it_is_a_400_everywhere(client: Client, method: str, path: str, length: str, content_type: str) -> None:
    headers = {"X-Instant-Secret": conf.proxy_secret}
    extra = {"CONTENT_LENGTH": length, "CONTENT_TYPE": content_type}
    response = client.generic(method, path, b"{}", headers=headers, **extra)
    assert response.status_code == 400, response.content
    assert json.loads(response.content)["error"] == "bad_request"
    assert "Content-Length" in json.loads(response.content)["reason"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_none_and_zero_are_lengths(client: Client, method: str, path: str) -> None:
    for length in ("", "0"):
        response = client.generic(method, path, CONTENT_LENGTH=length, CONTENT_TYPE="application/json")
        assert response.status_code != 500
        assert "Content-Length" not in response.content.decode()


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(params=["wsgiref", "gunicorn"])
def port(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[int]:
    """The port of a real server with the site of the tests."""
    port = free_port()
    if request.param == "wsgiref":
        server = WSGIServer(("127.0.0.1", port), Quiet)
        server.set_app(get_wsgi_application())
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield port
        server.shutdown()
        server.server_close()
        return
    pytest.importorskip("gunicorn")
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "django.core.wsgi:get_wsgi_application()"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("length", ["abc", "-1", "9" * 30])
def test_behind_a_real_server(port: int, length: str) -> None:
    for method, path in ENDPOINTS:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
            status = connection.makefile("rb").readline()
        assert b" 400 " in status, (method, path, status)
