"""The right of a page to its topics.

A view gives topics to the page. `recheck(topics=[…])` takes these topics from all pages that began earlier. A page that
got topics with a permission keeps them while the permission allows its user. The page's signed window and the tokens of
its channels contain its start time and the name of the permission.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import connections, router

from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..models import RecheckedTopic
from .named_guards import is_allowed

#: Keys in the `info` of the tokens: the start of the page in seconds since 1970, and the name of the permission.
SINCE, GUARD = "t", "g"


def shown(since: float, guard: str) -> dict[str, Any]:
    """Return the `info` for the tokens of a page's channels. `since` is in seconds since 1970."""
    return {SINCE: since, **({GUARD: guard} if guard else {})}


def end_for_older_pages(channels: Collection[str]) -> None:
    """Revoke the topics of these channels for all pages that began before now."""
    if not channels:
        return
    database = router.db_for_write(RecheckedTopic)
    rows = RecheckedTopic.objects.using(database)
    now, tenant = time.time(), conf.tenant
    rows.filter(at__lt=now - settings.SESSION_COOKIE_AGE).delete()  # windows older than this are not accepted
    named = connections[database].features.supports_update_conflicts_with_target
    rows.bulk_create(
        [RecheckedTopic(tenant=tenant, channel=name, at=now) for name in sorted(channels)],
        batch_size=QUERY_SIZE,
        update_conflicts=True,
        unique_fields=["tenant", "channel"] if named else None,
        update_fields=["at"],
    )


def rechecked(channels: Iterable[str]) -> dict[str, float]:
    """Return those of these channels that were rechecked, with the time of the recheck in seconds since 1970.

    Only pages that began at that time or later may join them.
    """
    rows = RecheckedTopic.objects.filter(tenant=conf.tenant)
    found: dict[str, float] = {}
    for part in chunks(channels, QUERY_SIZE):
        found.update(rows.filter(channel__in=part).values_list("channel", "at"))
    return found


def holds(
    user: Any | None, page: Mapping[str, Any], channels: Iterable[str], times: Mapping[str, float] | None = None
) -> bool:
    """Report whether `user` still has the right to these channels of one page.

    `user` is None if the user was deleted. `page` is the result of `shown` for the page. `times` is the result of
    `rechecked`, if the caller has it already.
    """
    if guard := page.get(GUARD):
        return user is not None and is_allowed(str(guard), user)
    since = page.get(SINCE)
    since = since if isinstance(since, int | float) else 0.0
    times = rechecked(channels) if times is None else times
    return all(since >= times.get(name, 0.0) for name in channels)
