"""`signed_response`, under the name and in the place that custom auth views of version 0.1 import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

from .token import channel_token

if TYPE_CHECKING:
    from .token import User


def signed_response(
    channel: str, client: str = "", user: User | None = None, info: str | None = None
) -> dict[str, str]:
    """Return the answer that lets `user`, by default a visitor who is not logged in, join `channel`.

    Whether that is right, the caller has found out. Today's tokens are for a user, not for a connection: so `client` is
    not needed any more, and `user` is. `info` is handed back as it is; the token does not carry it.

    Raises:
        InvalidChannel: the server would not let anyone join a channel of that name.
    """
    return {"sign": channel_token(channel, user or AnonymousUser()), "info": info or ""}
