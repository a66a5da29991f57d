"""What tests of live pages share: pages of text, what they hold, and a server that tells positions."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client, RequestFactory

from instant.conf import conf
from instant.pages.filling import fill
from instant.pages.page_state import page_of
from instant.windows import set_websocket_topics
from tests.fakes import Answer, FakeServer, Request, answer

PLACEHOLDER = '<script type="application/json" id="instant-credentials">{}</script>'
PAGE = '<html><head><title>é</title>{% include "instant/client.html" %}</head><body>{{ body }}</body></html>'


def render(request: HttpRequest, template: str = PAGE, **context: Any) -> str:
    return engines["django"].from_string(template).render(context, request)


def _json(html: str, opening: str) -> Any:
    found = re.search(re.escape(opening) + "(.*?)</script>", html, re.DOTALL)
    assert found is not None, html
    return json.loads(found[1])


def page(html: str) -> Any:
    """What the engine is told that is no secret."""
    return _json(html, '<script id="instant-page" type="application/json">')


def credentials(html: str) -> Any:
    return _json(html, '<script type="application/json" id="instant-credentials">')


def credentials_of_page(
    user: User | AnonymousUser, browser: Client, topics: Iterable[Any], permission: Any = None
) -> dict[str, Any]:
    """Render a page with these topics for `user`, in the session of `browser`; return the credentials in it."""
    request = RequestFactory().get("/page/")
    request.user, request.session = user, browser.session
    page_of(request).fills = True
    set_websocket_topics(request, list(topics), permission=permission)
    found: dict[str, Any] = credentials(fill(request, HttpResponse(render(request))).content.decode())
    return found


def subjects(html: str) -> set[str]:
    """Whose tokens a page holds."""
    tokens = re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", html)
    return {jwt.decode(token, conf.hmac_key, algorithms=["HS256"])["sub"] for token in tokens}


def shared(names: Iterable[str]) -> list[str]:
    """Leave out the channel that each user has for themselves."""
    return [name for name in names if not name.startswith("$user.")]


def names(html: str) -> list[str]:
    return shared(channel["name"] for channel in credentials(html)["channels"])


def offsets(html: str) -> dict[str, int]:
    known = {c["name"]: c["position"]["offset"] for c in credentials(html)["channels"] if "position" in c}
    return {name: known[name] for name in shared(known)}


def marked(request: HttpRequest) -> dict[str, int]:
    """The positions that were taken for the page so far."""
    found = page_of(request).positions
    return {name: found[name].offset for name in shared(found)}


def asked(request: Request) -> list[str]:
    assert {command["history"]["limit"] for command in request.json["commands"]} == {0}
    return shared(command["history"]["channel"] for command in request.json["commands"])


def histories(replies: Mapping[str, int] | None = None) -> Answer:
    """Tell of each channel its position: an error of the code where it is negative, else it counts requests."""

    def tell(server: FakeServer, client: socket.socket, request: Request) -> bool:
        channels = [command["history"]["channel"] for command in request.json["commands"]]

        def reply(name: str) -> dict[str, Any]:
            offset = (replies or {}).get(name, len(server.requests))
            if offset < 0:
                return {"error": {"code": -offset, "message": "no"}}
            return {"history": {"publications": [], "offset": offset, "epoch": "e"}}

        return answer({"replies": [reply(name) for name in channels]})(server, client, request)

    return tell
