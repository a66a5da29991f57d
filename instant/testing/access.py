"""can(): check in a test who may join a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from ..access import channel_access

if TYPE_CHECKING:
    from ..channels.user_ids import User


def can(user: User, channel: str) -> bool:
    """Return whether `user` would now get a token for the channel: `can(user, "$post:1")`."""
    return channel_access.may_join(user, channel)


async def acan(user: User, channel: str) -> bool:
    """Do the same as `can()`, for async tests. Rules run as they do for a page."""
    return await sync_to_async(can)(user, channel)
