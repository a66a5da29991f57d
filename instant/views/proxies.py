"""Endpoint for Centrifugo's proxy calls, authenticated by a shared secret."""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from ..access.proxy_secret import is_proxy_secret
from ..centrifugo.rpc_config import FORWARDED_HEADERS, SECRET_HEADER
from ..proxies.rpc import respond, too_large
from ..secret_text import Secret
from .json_views import Refused, json_view

logger = logging.getLogger("instant")

_SECRET = f"HTTP_{SECRET_HEADER.upper().replace('-', '_')}"
#: The most bytes of a body. A client's message has at most 64 KiB, in which Centrifugo writes each `<` as six
#: characters.
MAX_BODY = 6 * 64 * 1024 + 32 * 1024


@csrf_exempt  # Centrifugo has no cookies; without the secret, requests are refused
@json_view("POST")
def rpc(request: HttpRequest) -> HttpResponse:
    """Answer a call from a browser that Centrifugo forwards.

    The status of an answer is always 200, because any other status makes clients retry. Requests without the secret get
    403.
    """
    _require_secret(request)
    content = _body(request)
    headers = {name: request.headers[name] for name in FORWARDED_HEADERS if name in request.headers}
    reply = too_large() if content is None else respond(content, headers)
    return HttpResponse(reply, content_type="application/json")


def _require_secret(request: HttpRequest) -> None:
    """Refuse a request without the secret. This is checked before anything else is read.

    Raises:
        Refused: the secret is missing or wrong.
        InvalidSetting: INSTANT_PROXY_SECRET has a wrong value.
    """
    if _SECRET in request.META:  # error pages and mails show request.META
        request.META[_SECRET] = Secret(request.META[_SECRET])
    if not is_proxy_secret(request.headers.get(SECRET_HEADER)):
        logger.warning("refused a call without the proxy secret; restart the server if its settings have changed")
        raise Refused(403, "wrong_secret", "only the websockets server may call this endpoint")


def _body(request: HttpRequest) -> bytes | None:
    """Return the body, or None if it is too large. If the Content-Length is too large, the body is not read."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:  # json_view has checked that it is a number
        return None
    try:
        content = request.body
    except RequestDataTooBig:
        return None
    except UnreadablePostError:
        return b""
    return content if len(content) <= MAX_BODY else None
