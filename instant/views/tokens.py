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

#: The most characters of a window's signed text. With INSTANT_MAX_TOPICS topics it has about 10,000.
MAX_BLOB = 64 * 1024
_CLIENT = re.compile(r"[0-9A-Za-z-]{0,64}")


@csrf_exempt  # the view changes nothing, and another site cannot read its response
@json_view("GET", "POST")
@ensure_csrf_cookie
def get_connection_token(request: HttpRequest) -> HttpResponse:
    """Return the user's credentials with all channels.

    With `{"path": path}`, return the channels that the page at this path joins. With `{"channels": [names]}`, return
    only these channels. `"window"` is the signed text that the page got: the connection stays bound to this window, and
    its topics are included. In the response it is null if it is not valid. `"client"` is the id of the current
    connection. Strict channels have tokens only for this connection.
    """
    require_token_rate(request)
    content = json_body(request) if request.method == "POST" else {}
    names, path, blob = names_in(content.get("channels")), path_in(content), _blob_in(content)
    window = None if blob is None else page_window.of_blob(request, blob)
    return JsonResponse(answer_for(request, names, path, window, client_in(content.get("client"))))


@csrf_exempt  # as above
@json_view("POST")
def channels_subscription(request: HttpRequest) -> HttpResponse:
    """Return channel tokens for `{"channel": name}`, `{"channels": [names]}`, or all channels if the body is empty.

    For strict channels, `client` must be sent, too, as in version 2. The status is 403 only if every channel is
    refused.

    Raises:
        Refused: the user must log in first (403), or the body has another form (400).
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
        Refused: the user may not connect, or the request's host is not a name or address.
    """
    try:
        return credentials_for(request, names, path=path, window=window, client=client)
    except PermissionDenied as error:
        raise _log_in_first() from error
    except InvalidHost as error:
        raise Refused(400, "bad_host", "the host of this request is not a name or address") from error


def _log_in_first() -> Refused:
    return Refused(403, "not_logged_in", "log in to get a token")


def names_in(value: Any) -> Any:
    """Return the list of names in a request. Return None if the request contains no list.

    Raises:
        Refused: the value is not a list of strings, or has more names than a connection may join.
    """
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refused(400, "invalid_channels", "channels must be a list of names, and channel must be a name")
    if len(value) > CHANNEL_LIMIT:
        raise Refused(400, "invalid_channels", f"a request may name at most {CHANNEL_LIMIT} channels")
    return value


def path_in(content: dict[str, Any]) -> str | None:
    """Return the path of the page that makes the request, or None.

    Raises:
        Refused: the path is not text.
    """
    value = content.get("path")
    if value is not None and not isinstance(value, str):
        raise Refused(400, "invalid_path", "path must be text, like /news/")
    return value and unquote(value)  # `location.pathname` of browsers is quoted, `request.path` of Django is not


def client_in(value: Any) -> str | None:
    """Return the id of the connection, or None.

    Raises:
        Refused: the value cannot be the id of a connection.
    """
    if value is not None and not (isinstance(value, str) and _CLIENT.fullmatch(value)):
        raise Refused(400, "invalid_client", "client must be the id of the connection")
    return value or None


def _blob_in(content: dict[str, Any]) -> str | None:
    blob = content.get("window")
    if blob is not None and (not isinstance(blob, str) or len(blob) > MAX_BLOB):
        raise Refused(400, "invalid_window", "window must be the text that the page got from Django")
    return blob
