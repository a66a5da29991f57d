"""Enforce revocations: unsubscribe users from channels, and close connections.

Users who are found in presence are unsubscribed one by one, so that nobody is sent the name of a channel that they were
not in. If a channel has no presence, or each node has its own, users are disconnected. They reconnect, and join what
they still may.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from ..access import bulk_channel_access, session_binding, topic_rights
from ..access.bulk_channel_access import Pair, Users
from ..centrifugo import cent_api, engine
from ..centrifugo.cent_api import Client
from ..channels.names import is_private, namespace_of
from ..channels.namespaces import has_strict, is_strict
from ..channels.user_ids import user_id
from ..chunks import chunks
from ..exceptions import ServerError
from ..models import Revocation
from ..protocol import PAGES_NAMESPACE
from . import page_topics

#: Channels with subscribers whose presence is read at once; on a site with more, users are disconnected instead.
MOST_CHANNELS = 5_000
#: The most calls of rules before a caller continues. The thread makes the rest; each may need a query.
RULES_AT_ONCE = 100
#: Calls of rules that the thread makes before it unsubscribes those who were refused, and continues.
RULES_IN_A_STEP = 1_000


@dataclass(frozen=True, slots=True)
class _Look:
    """What is checked together: users by id, channels by name, sessions by user and hash."""

    users: frozenset[str]
    channels: frozenset[str]
    sessions: frozenset[tuple[str, str]]


def apply(rows: Sequence[Revocation], *, is_first: bool, rule_budget: int | None = RULES_AT_ONCE) -> bool:
    """Enforce these revocations together, and report whether everything was checked. A `rule_budget` of None sets no
    limit to the calls of rules.

    The first time, all connections of a user whose session has ended are closed, and with strict channels those of all
    users who are checked: users who still have access reconnect. Later, only connections that show an ended session are
    closed.

    Raises:
        ServerError: the server could not be reached, or refused.
    """
    look = _Look(
        frozenset(row.user for row in rows if row.user and not row.session),
        frozenset(row.channel for row in rows if row.channel),
        frozenset((row.user, row.session) for row in rows if row.session),
    )
    if is_first:
        topic_rights.end_for_older_pages({name for name in look.channels if namespace_of(name) == PAGES_NAMESPACE})
        # Closing the connections makes the tokens of strict channels useless.
        closed = {sub for sub, _ in look.sessions} | (look.users if has_strict() else set())
        cent_api.disconnect_all((sub, "") for sub in sorted(closed))
    users = bulk_channel_access.read_users(look.users)
    gone = {sub for sub in look.users if not _is_active(users.by_id.get(sub))}
    cent_api.disconnect_all((sub, "") for sub in sorted(gone))
    present = _present(look, gone)
    _close_ended(look, users, present)
    _end_topics(look, users, present)
    return _unsubscribe(look, users, present, rule_budget)


def _is_active(user: Any) -> bool:
    return user is not None and bool(getattr(user, "is_active", True))


def _present(look: _Look, gone: set[str]) -> dict[str, list[Client]]:
    """Return who is in which channel. Users of channels without presence are disconnected instead."""
    people: frozenset[str] = (look.users - gone) | {
        sub for sub, session in look.sessions if session != Revocation.ALL_SESSIONS
    }
    names: set[str] = set(look.channels)
    if people:
        others = _private_channels()
        if others is None or len(names | others) > MOST_CHANNELS:
            cent_api.disconnect_all((sub, "") for sub in sorted(people))
            people = frozenset()
        else:
            names |= others
    found = cent_api.clients_in(sorted(names)) if engine.has_shared_presence() else dict.fromkeys(names)
    hidden = [name for name, clients in found.items() if clients is None]
    if any(name not in look.channels for name in hidden):
        cent_api.disconnect_all((sub, "") for sub in sorted(people))
    for name in hidden:
        if name in look.channels:
            _everybody_out(name)
    return {name: clients for name, clients in found.items() if clients is not None}


def _private_channels() -> set[str] | None:
    """Return the private channels that have subscribers, or None if they are unknown, or presence would not help.

    All nodes must answer to list channels. For some seconds after a node was killed, the others still wait for its
    answer. A disconnect does not need one.
    """
    if not engine.has_shared_presence():
        return None
    try:
        return cent_api.private_channels()
    except ServerError:
        return None


def _is_empty(name: str) -> bool:
    """Return whether the channel is known to have no subscribers; an unanswered question is no."""
    try:
        return not cent_api.subscribers(name)
    except ServerError:
        return False


def _everybody_out(name: str) -> None:
    """Remove everybody from a channel whose subscribers are unknown: disconnect all users, or unsubscribe them if its
    name is public.
    """
    if _is_empty(name):
        return
    users = get_user_model()._default_manager.iterator()
    for part in chunks(users, 1_000):
        subs = [user_id(user) for user in part]
        if is_private(name):
            cent_api.disconnect_all((sub, "") for sub in subs)
        else:
            no, _ = bulk_channel_access.refused(
                ((sub, name) for sub in subs), bulk_channel_access.read_users(subs), len(subs)
            )
            cent_api.unsubscribe(no)
    if not is_private(name):
        no, _ = bulk_channel_access.refused([("", name)], bulk_channel_access.read_users([""]), 1)
        cent_api.unsubscribe(no)


def _close_ended(look: _Look, users: Users, present: dict[str, list[Client]]) -> None:
    """Close connections that show an ended session, or a password that has changed."""
    ended = {(sub, session_binding.shown_session(session)) for sub, session in look.sessions}
    current = {sub: session_binding.current_auth(user) for sub, user in users.by_id.items() if sub}
    closed = set()
    for client in (client for clients in present.values() for client in clients):
        info = client.info if isinstance(client.info, dict) else {}
        if (client.user, info.get("s")) in ended or info.get("a", "") != current.get(client.user, info.get("a", "")):
            closed.add((client.user, client.id))
    cent_api.disconnect_all(sorted(closed))


def _end_topics(look: _Look, users: Users, present: dict[str, list[Client]]) -> None:
    """Unsubscribe pages from their topics, if the user's rights have changed since the view gave them, or the page no
    longer has a right to them.

    The page then requests new tokens. Django refuses them to such a window, and reports this to the page.
    """
    of_pages = [
        (client, name)
        for name, clients in present.items()
        if namespace_of(name) == PAGES_NAMESPACE
        for client in clients
        if name in look.channels or client.user in look.users
    ]
    others = bulk_channel_access.read_users(page_topics.asked(of_pages) - users.by_id.keys())
    ended = page_topics.without_right(of_pages, {**users.by_id, **others.by_id}, look.users)
    strict = {client.user for client, name in ended if client.user and is_strict(name)}
    cent_api.disconnect_all((sub, "") for sub in sorted(strict))
    cent_api.unsubscribe_clients((client, name) for client, name in ended if client.user not in strict)


def _unsubscribe(look: _Look, users: Users, present: dict[str, list[Client]], rule_budget: int | None) -> bool:
    pairs: list[Pair] = []
    for name, clients in present.items():
        subs: Iterable[str] = {client.user for client in clients}
        pairs += [(sub, name) for sub in sorted(subs) if name in look.channels or sub in look.users]
    others = {sub for sub, _ in pairs} - users.by_id.keys()
    known = bulk_channel_access.read_users(others)
    everyone = Users({**users.by_id, **known.by_id}, {**users.groups, **known.groups})
    left = math.inf if rule_budget is None else rule_budget
    while pairs and left > 0:
        step = int(min(left, RULES_IN_A_STEP))
        no, pairs = bulk_channel_access.refused(pairs, everyone, step)
        _take_apart(no)
        left -= step
    return not pairs


def _take_apart(pairs: Sequence[Pair]) -> None:
    """Unsubscribe these users. From a strict channel they are disconnected, which makes its token useless. Visitors
    have no id, and are unsubscribed.
    """
    strict = {(sub, name) for sub, name in pairs if sub and is_strict(name)}
    cent_api.disconnect_all((sub, "") for sub in sorted({sub for sub, _ in strict}))
    cent_api.unsubscribe(pair for pair in pairs if pair not in strict)
