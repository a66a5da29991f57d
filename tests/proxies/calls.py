"""Calls as the websockets server sends them, and the errors that come back."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from instant.conf import conf

URL = "/instant/proxy/rpc/"
META = {"window": "k", "session": "s", "user": "42"}
BODY: dict[str, Any] = {
    "client": "c1",
    "transport": "websocket",
    "protocol": "json",
    "encoding": "json",
    "user": "42",
    "method": "app.name",
    "data": {"a": 1},
    "meta": META,
}
INTERNAL = {"error": {"code": 500, "message": "internal error", "temporary": False}}


def post(content: Any = BODY, secret: str | None = "", **extra: Any) -> HttpResponse:
    headers = dict(extra.pop("headers_of_the_browser", {}))
    if secret is not None:
        headers["X-Instant-Secret"] = secret or conf.proxy_secret
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    # CSRF checks are on: the server has no token.
    client = Client(enforce_csrf_checks=True)
    return client.post(URL, body, content_type="application/json", headers=headers, **extra)


def error(response: HttpResponse) -> tuple[int, str]:
    assert response.status_code == 200
    assert response.json()["error"]["temporary"] is False
    return response.json()["error"]["code"], response.json()["error"]["message"]
