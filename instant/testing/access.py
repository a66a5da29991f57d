"""can(): who may join what, as a test asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from ..access import channel_access

if TYPE_CHECKING:
    from ..channels.user_ids import User


def can(user: User, channel: str) -> bool:
    """Tell whether `user` would get a token for the channel of this name now: `can(user, "$post:1")`."""
    return channel_access.may_join(user, channel)


async def acan(user: User, channel: str) -> bool:
    """Tell it in an async test; rules run as they do for a page."""
    return await sync_to_async(can)(user, channel)
