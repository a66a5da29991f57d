"""Enforces revocations: unsubscribes users from channels, and closes connections.

Presence shows which users are in a channel. They are unsubscribed one by one, so that no client receives the name of a
channel that it was not in. If a channel has no presence, or each node has a presence of its own, users are disconnected
instead. They reconnect, and join the channels that they still may join.
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

#: The maximum number of channels whose presence is read for a user. If more private channels have subscribers, the user
#: is disconnected instead.
MOST_CHANNELS = 5_000
#: The maximum number of calls of rules for which the request that makes a change waits, because each call may need a
#: query. The thread of `repeating` makes the remaining calls.
RULES_AT_ONCE = 100
#: The number of calls of rules after which the users who were denied are unsubscribed, before the next calls.
RULES_IN_A_STEP = 1_000


@dataclass(frozen=True, slots=True)
class _Subjects:
    """The subjects of several revocations: users by id, channels by name, sessions by user and hash."""

    users: frozenset[str]
    channels: frozenset[str]
    sessions: frozenset[tuple[str, str]]


def apply(rows: Sequence[Revocation], *, is_first: bool, rule_budget: int | None = RULES_AT_ONCE) -> bool:
    """Enforce these revocations together, and report whether everything was checked.

    `rule_budget` is the maximum number of calls of rules; None means no limit.

    Users who have lost access to a channel are unsubscribed. Instead, all connections of a user are closed if the user
    is deleted or not active, if the channel is strict, or if Django cannot read the channel's presence. A single
    connection is closed if its `info` shows an ended session or an old password.

    With `is_first`, all connections of users whose sessions have ended are closed, too. If any channel is strict, all
    connections of all users in `rows` are closed. Users who still have access reconnect.

    Raises:
        InvalidChannel: with its tenant, a channel's name is too long.
        ServerError: the server could not be reached, or refused a command.
    """
    subjects = _Subjects(
        frozenset(row.user for row in rows if row.user and not row.session),
        frozenset(row.channel for row in rows if row.channel),
        frozenset((row.user, row.session) for row in rows if row.session),
    )
    if is_first:
        topic_rights.end_for_older_pages({name for name in subjects.channels if namespace_of(name) == PAGES_NAMESPACE})
        # Closing the connections makes the tokens of strict channels useless.
        closed = {sub for sub, _ in subjects.sessions} | (subjects.users if has_strict() else set())
        cent_api.disconnect_all((sub, "") for sub in sorted(closed))
    users = bulk_channel_access.read_users(subjects.users)
    inactive = {sub for sub in subjects.users if not _is_active(users.by_id.get(sub))}
    cent_api.disconnect_all((sub, "") for sub in sorted(inactive))
    present = _present(subjects, inactive)
    _close_ended(subjects, users, present)
    _end_topics(subjects, users, present)
    return _unsubscribe(subjects, users, present, rule_budget)


def _is_active(user: Any) -> bool:
    return user is not None and bool(getattr(user, "is_active", True))


def _present(subjects: _Subjects, inactive: set[str]) -> dict[str, list[Client]]:
    """Return the clients in each channel. If they are unknown for a channel, disconnect the users instead.

    They are unknown if the channel has no presence, if presence is not shared by the nodes, or if there are more than
    MOST_CHANNELS channels.
    """
    subs: frozenset[str] = (subjects.users - inactive) | {
        sub for sub, session in subjects.sessions if session != Revocation.ALL_SESSIONS
    }
    names: set[str] = set(subjects.channels)
    if subs:
        others = _private_channels()
        if others is None or len(names | others) > MOST_CHANNELS:
            cent_api.disconnect_all((sub, "") for sub in sorted(subs))
            subs = frozenset()
        else:
            names |= others
    found = cent_api.clients_in(sorted(names)) if engine.has_shared_presence() else dict.fromkeys(names)
    without_presence = [name for name, clients in found.items() if clients is None]
    if any(name not in subjects.channels for name in without_presence):
        cent_api.disconnect_all((sub, "") for sub in sorted(subs))
    for name in without_presence:
        if name in subjects.channels:
            _remove_everybody(name)
    return {name: clients for name, clients in found.items() if clients is not None}


def _private_channels() -> set[str] | None:
    """Return the private channels that have subscribers. Return None if they are unknown, or if presence is not shared.

    All nodes must answer the request. For some seconds after a node was killed, the other nodes still wait for its
    answer, and the request fails. A disconnect does not need the answers of other nodes.
    """
    if not engine.has_shared_presence():
        return None
    try:
        return cent_api.private_channels()
    except ServerError:
        return None


def _is_empty(name: str) -> bool:
    """Report whether the channel is known to have no subscribers. Return False if the server does not answer."""
    try:
        return not cent_api.subscribers(name)
    except ServerError:
        return False


def _remove_everybody(name: str) -> None:
    """Remove the users without access from a channel whose subscribers are unknown.

    If the name is private, all users of the site are disconnected, and those with access join again. Otherwise the
    users and visitors without access are unsubscribed. If the channel has no subscribers, nothing happens.
    """
    if _is_empty(name):
        return
    users = get_user_model()._default_manager.iterator()
    for part in chunks(users, 1_000):
        subs = [user_id(user) for user in part]
        if is_private(name):
            cent_api.disconnect_all((sub, "") for sub in subs)
        else:
            denied, _ = bulk_channel_access.refused(
                ((sub, name) for sub in subs), bulk_channel_access.read_users(subs), len(subs)
            )
            cent_api.unsubscribe(denied)
    if not is_private(name):
        denied, _ = bulk_channel_access.refused([("", name)], bulk_channel_access.read_users([""]), 1)
        cent_api.unsubscribe(denied)


def _close_ended(subjects: _Subjects, users: Users, present: dict[str, list[Client]]) -> None:
    """Close connections whose `info` shows an ended session, or another password than the user has now."""
    ended = {(sub, session_binding.shown_session(session)) for sub, session in subjects.sessions}
    current = {sub: session_binding.current_auth(user) for sub, user in users.by_id.items() if sub}
    closed = set()
    for client in (client for clients in present.values() for client in clients):
        info = client.info if isinstance(client.info, dict) else {}
        if (client.user, info.get("s")) in ended or info.get("a", "") != current.get(client.user, info.get("a", "")):
            closed.add((client.user, client.id))
    cent_api.disconnect_all(sorted(closed))


def _end_topics(subjects: _Subjects, users: Users, present: dict[str, list[Client]]) -> None:
    """Unsubscribe pages from topics that they may no longer have.

    There are three causes: the user's rights have changed since the view set the topics, the permission of the topics
    denies access, or a topic was rechecked. The page then requests new tokens. Django refuses them, and returns no
    window. So the client knows that the page must be loaded again.
    """
    of_pages = [
        (client, name)
        for name, clients in present.items()
        if namespace_of(name) == PAGES_NAMESPACE
        for client in clients
        if name in subjects.channels or client.user in subjects.users
    ]
    others = bulk_channel_access.read_users(page_topics.asked(of_pages) - users.by_id.keys())
    ended = page_topics.without_right(of_pages, {**users.by_id, **others.by_id}, subjects.users)
    strict = {client.user for client, name in ended if client.user and is_strict(name)}
    cent_api.disconnect_all((sub, "") for sub in sorted(strict))
    cent_api.unsubscribe_clients((client, name) for client, name in ended if client.user not in strict)


def _unsubscribe(subjects: _Subjects, users: Users, present: dict[str, list[Client]], rule_budget: int | None) -> bool:
    pairs: list[Pair] = []
    for name, clients in present.items():
        subs: Iterable[str] = {client.user for client in clients}
        pairs += [(sub, name) for sub in sorted(subs) if name in subjects.channels or sub in subjects.users]
    others = {sub for sub, _ in pairs} - users.by_id.keys()
    known = bulk_channel_access.read_users(others)
    everyone = Users({**users.by_id, **known.by_id}, {**users.groups, **known.groups})
    left = math.inf if rule_budget is None else rule_budget
    while pairs and left > 0:
        step = int(min(left, RULES_IN_A_STEP))
        denied, pairs = bulk_channel_access.refused(pairs, everyone, step)
        _unsubscribe_pairs(denied)
        left -= step
    return not pairs


def _unsubscribe_pairs(pairs: Sequence[Pair]) -> None:
    """Unsubscribe the user of each pair from its channel.

    If the channel is strict, disconnect the user, so that the tokens of the channel become invalid. Visitors have no
    id, so they are unsubscribed in any case.
    """
    strict = {(sub, name) for sub, name in pairs if sub and is_strict(name)}
    cent_api.disconnect_all((sub, "") for sub in sorted({sub for sub, _ in strict}))
    cent_api.unsubscribe(pair for pair in pairs if pair not in strict)
