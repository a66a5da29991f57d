"""The auth view of version 0.1, at `centrifuge/auth/`, and `signed_response` for custom ones, with today's tokens.

Dropped in django-instant 6.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from ..access import channel_access
from ..access.client_credentials import credentials
from ..access.tokens import channel_token
from ..channels.user_ids import user_of
from ..views.json_views import json_body, json_view
from ..views.token_rate import require_token_rate
from ..views.tokens import client_in, names_in

if TYPE_CHECKING:
    from ..channels.user_ids import User


@csrf_exempt  # as get_token: it changes nothing, and its answer cannot be read by another site
@json_view("POST")
def instant_auth(request: HttpRequest) -> HttpResponse:
    """Answer `{"client": id, "channels": names}` with `{name: {"sign": token, "info": ""}}`, and with `{"status": 403}`
    for each channel that the user may not join."""
    require_token_rate(request)
    content = json_body(request)
    wanted = content.get("channels", [])
    names = names_in([wanted] if isinstance(wanted, str) else wanted) or []
    tokens = _tokens(user_of(request), names, client_in(content.get("client")))
    answer: dict[str, Any] = {
        name: {"sign": tokens[name], "info": ""} if name in tokens else {"status": 403} for name in names
    }
    return JsonResponse(answer)


def _tokens(user: User, names: list[str], client: str | None) -> dict[str, str]:
    if not channel_access.may_connect(user):
        return {}
    found = credentials(user, names, client=client)["channels"]
    return {channel["name"]: channel["token"] for channel in found if "token" in channel}


def signed_response(
    channel: str, client: str = "", user: User | None = None, info: str | None = None
) -> dict[str, str]:
    """Return the answer that lets `user`, by default a visitor who is not logged in, join `channel`.

    Whether that is right, the caller has found out. Today's tokens are for a user, so `user` is needed, and `client`
    for strict channels only, whose tokens are for one connection. `info` is handed back as it is; the token does not
    carry it.

    Raises:
        InvalidChannel: the server would not let anyone join a channel of that name.
        ValueError: the channel is strict, and there is no `client`.
    """
    return {"sign": channel_token(channel, user or AnonymousUser(), client=client), "info": info or ""}
