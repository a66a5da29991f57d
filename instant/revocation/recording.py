"""`recheck()` and `arecheck()`: save revocations in the transaction of a change, and enforce them when it commits.

Centrifugo remembers no revocation, so a saved token works until it expires. Therefore a revocation is a row in the
database. It is enforced at the commit, and repeatedly by `repeating` until older tokens have expired.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, router
from django.db.models import Q
from django.utils import timezone

from .. import features
from ..access import topic_rights
from ..channels import tenants
from ..channels.user_ids import user_id
from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..exceptions import Deny, ServerError
from ..models import Revocation
from ..on_commit import awaited_connection, gather
from ..windows.topics import channel_of
from ..windows.window_info import WindowInfo
from . import enforcement, repeating
from .repeating import INTERVAL, SECOND_CHECK, start_period

logger = logging.getLogger("instant")

_KEYS = ("tenant", "user", "channel", "session")


def recheck(
    *,
    users: Iterable[Any] = (),
    channels: Iterable[str] = (),
    topics: Iterable[Any] = (),
    using: str | None = None,
) -> None:
    """Check again which channels these users may join, who may be in these channels, and which pages may have these
    topics.

    The check runs when the transaction commits, and repeatedly until older tokens have expired. The transaction is that
    of the database `using`, by default the database with the table of revocations. The same change twice is one row.

    If a page got a topic with a permission, the permission is called again. All other pages lose the topic and reload,
    so that the view decides again.

    Raises:
        TransactionManagementError: `using` is None, and only another database has an open transaction.
        InvalidTopic: a topic cannot be serialized.
        InvalidChannel: no transaction is open, and with its tenant a channel's name is too long.
        InvalidSetting: there are topics, but windows are not in use; or a setting has a wrong value.
    """
    awaited_connection(using, default=router.db_for_write(Revocation), what="recheck()", is_strict=False)
    of_topics = _channels_of(topics)
    topic_rights.end_for_older_pages(of_topics)
    names = [*channels, *of_topics]
    record([Revocation(user=user_id(user)) for user in users] + [Revocation(channel=name) for name in names], using)


async def arecheck(
    *,
    users: Iterable[Any] = (),
    channels: Iterable[str] = (),
    topics: Iterable[Any] = (),
    using: str | None = None,
) -> None:
    """Do the same as `recheck`, from a coroutine. It runs in the thread in which Django's transactions are open."""
    await sync_to_async(recheck)(users=users, channels=channels, topics=topics, using=using)


def _channels_of(topics: Iterable[Any]) -> set[str]:
    found = {channel_of(topic, WindowInfo()) for topic in topics}
    if found:
        features.require_windows()
    return {name for name in found if name}


def end_session(sub: str, session: str, using: str | None = None) -> None:
    """Close the connections of a session of the user with the id `sub`. `session` is its hash, or ALL_SESSIONS."""
    record([Revocation(user=sub, session=session)], using)


def record(rows: Iterable[Revocation], using: str | None = None) -> None:
    """Save these rows, and enforce them when the transaction commits."""
    tenant = conf.tenant
    # The order is fixed, so that two transactions with the same rows wait for each other instead of deadlocking.
    unique = dict(sorted((((tenant, row.user, row.channel, row.session), row) for row in rows), key=itemgetter(0)))
    if not unique:
        return
    # The rows are enforced at the commit. If that fails, the thread enforces them later. If the thread wrote at the
    # same time as the caller, the caller's transaction could fail on SQLite, which has one writer at a time.
    next_at = timezone.now() + timedelta(seconds=INTERVAL)
    for row in unique.values():
        row.tenant, row.next_at, row.until = tenant, next_at, None
    database = router.db_for_write(Revocation)
    named = connections[database].features.supports_update_conflicts_with_target
    Revocation.objects.using(database).bulk_create(
        unique.values(),
        batch_size=QUERY_SIZE,
        update_conflicts=True,
        unique_fields=_KEYS if named else None,
        update_fields=("next_at", "until"),
    )
    keys = list(unique)
    if not gather(keys, _enforce, "revocations", using or database):
        _enforce(keys)


def _enforce(keys: Sequence[tuple[str, str, str, str]]) -> None:
    """Enforce committed rows, and start their period. The thread repeats them, and retries those that failed."""
    by_tenant: dict[str, list[Revocation]] = {}
    for key in dict.fromkeys(keys):
        by_tenant.setdefault(key[0], []).append(Revocation(**dict(zip(_KEYS, key, strict=True))))
    for tenant, rows in by_tenant.items():
        try:
            with tenants.resumed(tenant):  # a transaction may have changes of several tenants
                _enforce_rows(rows)
        except Deny:
            logger.error("the revocations of the tenant %r are not enforced; the previous error says why", tenant)


def _enforce_rows(rows: Sequence[Revocation]) -> None:
    try:
        is_whole = enforcement.apply(rows, is_first=True)
        start_period(_stored(rows), SECOND_CHECK if is_whole else 0)
    except ServerError as error:
        logger.warning("a revocation could not be enforced yet, and will be retried: %s", error)
    repeating.start()


def _stored(rows: Sequence[Revocation]) -> list[Revocation]:
    """Return the rows of the table with these keys."""
    found: list[Revocation] = []
    for part in chunks(rows, QUERY_SIZE // len(_KEYS)):
        wanted = Q()
        for row in part:
            wanted |= Q(tenant=row.tenant, user=row.user, channel=row.channel, session=row.session)
        found += Revocation.objects.filter(wanted)
    return found
