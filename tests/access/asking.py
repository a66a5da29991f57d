"""Who may be in a channel, by the way that revocation asks."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from instant.access.bulk_channel_access import read_users, refused
from instant.channels.user_ids import user_id


def audience_of(name: str) -> set[str]:
    """Return the ids of all who may be in this channel; "" stands for visitors."""
    subs = {user_id(user) for user in get_user_model()._default_manager.all()} | {""}
    no, later = refused([(sub, name) for sub in sorted(subs)], read_users(subs), len(subs))
    assert later == []
    return subs - {sub for sub, _ in no}
