"""The auth view of version 0.1, at `centrifuge/auth/`, with today's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from .. import access
from .answers import json_body, json_view
from .page import user_of
from .tokens import _names

if TYPE_CHECKING:
    from ..token import User


@csrf_exempt  # as get_token: it changes nothing, and its answer cannot be read by another site
@json_view("POST")
def instant_auth(request: HttpRequest) -> HttpResponse:
    """Answer `{"client": id, "channels": names}` with `{name: {"sign": token, "info": ""}}`, and with `{"status": 403}`
    for each channel that the user may not join."""
    content = json_body(request)
    wanted = content.get("channels", [])
    names = _names([wanted] if isinstance(wanted, str) else wanted) or []
    tokens = _tokens(user_of(request), names)
    answer: dict[str, Any] = {
        name: {"sign": tokens[name], "info": ""} if name in tokens else {"status": 403} for name in names
    }
    return JsonResponse(answer)


def _tokens(user: User, names: list[str]) -> dict[str, str]:
    if not access.may_connect(user):
        return {}
    return {found["name"]: found["token"] for found in access.credentials(user, names)["channels"]}
