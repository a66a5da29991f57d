"""The auth view of version 0.1 at `centrifuge/auth/`, and `signed_response` for custom views.

Both issue the tokens of this version. Removed in django-instant 6.0.
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


@csrf_exempt  # like get_token: it changes nothing, and other sites cannot read its response
@json_view("POST")
def instant_auth(request: HttpRequest) -> HttpResponse:
    """Return `{name: {"sign": token, "info": ""}}` for `{"client": id, "channels": names}`.

    Channels that the user may not join have `{"status": 403}` instead.
    """
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
    """Return the response that lets `user`, by default a visitor who is not logged in, join `channel`.

    The caller must have checked that the user may join. The tokens of this version are issued for a user, so `user` is
    required, and for one connection if the channel is strict, so `client` is required for those. `info` is returned
    unchanged; the token does not carry it.

    Raises:
        InvalidChannel: the channel's name is wrong.
        ValueError: the channel is strict, and `client` is missing.
    """
    return {"sign": channel_token(channel, user or AnonymousUser(), client=client), "info": info or ""}
