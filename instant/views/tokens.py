"""The views that return tokens: get_token and subscribe."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie

from ..access import channel_access, client_credentials
from ..centrifugo.config import CHANNEL_LIMIT
from ..pages.credentials import InvalidHost, credentials_for
from ..windows import page_window
from .json_views import Refused, json_body, json_view
from .token_rate import require_token_rate

#: The most characters of a window's text. With INSTANT_MAX_TOPICS topics it has some 10,000.
MAX_BLOB = 64 * 1024
_CLIENT = re.compile(r"[0-9A-Za-z-]{0,64}")


@csrf_exempt  # it changes nothing, and another site cannot read its response
@json_view("GET", "POST")
@ensure_csrf_cookie
def get_connection_token(request: HttpRequest) -> HttpResponse:
    """Return the user's credentials: all channels, with `{"path": path}` those of the page there, or with `{"channels":
    [names]}` these channels only. `"window"` is the window that the page was given: the connection stays that
    window's, and its topics are included; it is null in the response if it does not fit. `"client"` is the id of the
    current connection, for which alone strict channels have a token.
    """
    require_token_rate(request)
    content = json_body(request) if request.method == "POST" else {}
    names, path, blob = names_in(content.get("channels")), path_in(content), _blob_in(content)
    window = None if blob is None else page_window.of_blob(request, blob)
    return JsonResponse(answer_for(request, names, path, window, client_in(content.get("client"))))


@csrf_exempt  # likewise
@json_view("POST")
def channels_subscription(request: HttpRequest) -> HttpResponse:
    """Return channel tokens for `{"channel": name}`, `{"channels": [names]}`, or all channels with an empty body.
    Strict channels need `client` beside it, as in version 2. The status is 403 only if every name is refused.
    """
    require_token_rate(request)
    content = json_body(request)
    names = names_in(content.get("channels"))
    if "channel" in content:
        names = names_in([*(names or []), content["channel"]])
    user = request.user
    if not channel_access.may_connect(user):
        raise _log_in_first()
    answer = client_credentials.credentials(user, names, client=client_in(content.get("client")))
    status = 403 if answer["refused"] and not answer["channels"] else 200
    return JsonResponse({"channels": answer["channels"], "refused": answer["refused"]}, status=status)


def answer_for(
    request: HttpRequest,
    names: list[str] | None = None,
    path: str | None = None,
    window: page_window.Given | None = None,
    client: str | None = None,
) -> dict[str, Any]:
    """Return the credentials of the request's user, as login and get_token do.

    Raises:
        Refused: nobody is logged in, or the request's host is not an address.
    """
    try:
        return credentials_for(request, names, path=path, window=window, client=client)
    except PermissionDenied as error:
        raise _log_in_first() from error
    except InvalidHost as error:
        raise Refused(400, "bad_host", "this host is no name or address") from error


def _log_in_first() -> Refused:
    return Refused(403, "not_logged_in", "log in to get a token")


def names_in(value: Any) -> Any:
    """Return the list of names in a request, or None if it has none.

    Raises:
        Refused: it is not a list of texts, or has more names than a connection may join.
    """
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refused(400, "invalid_channels", "channels must be a list of names, and channel a name")
    if len(value) > CHANNEL_LIMIT:
        raise Refused(400, "invalid_channels", f"at most {CHANNEL_LIMIT} channels in one request")
    return value


def path_in(content: dict[str, Any]) -> str | None:
    """Return the path of the page that makes the request, if it is given.

    Raises:
        Refused: it is not text.
    """
    value = content.get("path")
    if value is not None and not isinstance(value, str):
        raise Refused(400, "invalid_path", "path must be text, as /news/")
    return value and unquote(value)  # a browser's `location.pathname` is quoted, Django's `request.path` is not


def client_in(value: Any) -> str | None:
    """Return the id of the connection, if it is given.

    Raises:
        Refused: it cannot be a connection's id.
    """
    if value is not None and not (isinstance(value, str) and _CLIENT.fullmatch(value)):
        raise Refused(400, "invalid_client", "client must be the id of the connection")
    return value or None


def _blob_in(content: dict[str, Any]) -> str | None:
    blob = content.get("window")
    if blob is not None and (not isinstance(blob, str) or len(blob) > MAX_BLOB):
        raise Refused(400, "invalid_window", "window must be what the page was given")
    return blob
