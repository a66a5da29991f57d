"""The doors by which clients get their tokens: get_token and subscribe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie

from .. import access, revocation
from ..conf import conf
from . import windows
from .answers import Refused, json_body, json_view

#: More names in one request are a mistake, or an attack.
MAX_NAMES = 10_000


@csrf_exempt  # it changes nothing, and its answer cannot be read by another site
@json_view("GET", "POST")
@ensure_csrf_cookie
def get_connection_token(request: HttpRequest) -> HttpResponse:
    """Answer with the tokens of who asks: all of them, with `{"path": path}` those of the page there, or with
    `{"channels": [names]}` those of just these channels. `"window"` beside it is what the page was given as its window:
    the connection stays that window's, and its channels are among the others; null comes back where it does not fit."""
    content = json_body(request) if request.method == "POST" else {}
    names, path, blob = _names(content.get("channels")), path_in(content), windows.blob_in(content)
    window = None if blob is None else windows.of_blob(request, blob)
    return JsonResponse(credentials_for(request, names, path, window))


@csrf_exempt  # likewise
@json_view("POST")
def channels_subscription(request: HttpRequest) -> HttpResponse:
    """Answer with channel tokens: `{"channel": name}`, `{"channels": [names]}` (`client` beside it, as in version 2, is
    not needed), or all with an empty body. 403 only where every name is refused."""
    content = json_body(request)
    names = _names(content.get("channels"))
    if "channel" in content:
        names = [*(names or []), *_names([content["channel"]])]
    user = request.user
    if not access.may_connect(user):
        raise _log_in_first()
    answer = access.credentials(user, names)
    status = 403 if answer["refused"] and not answer["channels"] else 200
    return JsonResponse({"channels": answer["channels"], "refused": answer["refused"]}, status=status)


def credentials_for(
    request: HttpRequest,
    names: Iterable[str] | None = None,
    path: str | None = None,
    window: windows.Given | None = None,
) -> dict[str, Any]:
    """Return the answer of login and get_token: `access.credentials`, with the request's CSRF token and host, and
    what belongs to `window`.

    Raises:
        Refused: nobody is logged in.
    """
    revocation.resume()
    try:
        answer = access.credentials(
            request.user,
            names,
            path=path,
            websocket_url=websocket_url(request),
            page_channels=window.channels if window else (),
            meta=window.meta if window else None,
        )
    except PermissionDenied as error:
        raise _log_in_first() from error
    of_window = {"window": window.blob} if window else {}
    return {"csrf_token": get_token(request), **answer, **of_window}


def websocket_url(request: HttpRequest) -> str:
    """Return the address that the browser uses: INSTANT_WEBSOCKET_URL, else the request's host at CENTRIFUGO_PORT."""
    if conf.INSTANT_WEBSOCKET_URL:
        return conf.INSTANT_WEBSOCKET_URL
    scheme = "wss" if request.is_secure() else "ws"
    try:
        host = urlsplit(f"//{request.get_host()}").hostname or "localhost"
    except ValueError as error:  # `[1:2]`, which is no address, and a host for Django
        raise Refused(400, "bad_host", "this host is no name or address") from error
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if conf.server_port is None else f"{scheme}://{host}:{conf.server_port}"


def _log_in_first() -> Refused:
    return Refused(403, "not_logged_in", "log in to get a token")


def _names(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refused(400, "invalid_channels", "channels must be a list of names, and channel a name")
    if len(value) > MAX_NAMES:
        raise Refused(400, "invalid_channels", f"at most {MAX_NAMES} channels in one request")
    return value


def path_in(content: dict[str, Any]) -> str | None:
    """Return the path of the page that asks, if it says so.

    Raises:
        Refused: it is no text.
    """
    value = content.get("path")
    if value is not None and not isinstance(value, str):
        raise Refused(400, "invalid_path", "path must be text, as /news/")
    return value and unquote(value)  # a browser's `location.pathname` is quoted, Django's `request.path` is not
