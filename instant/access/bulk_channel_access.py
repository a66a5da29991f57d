"""The decisions of `channel_access` for many users and channels, with few queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from .. import protocol
from ..channels import declared, rules
from ..channels.names import namespace_of
from ..channels.user_ids import user_channel, users_named
from ..chunks import QUERY_SIZE, chunks
from ..models import Channel, open_to
from .channel_access import by_rule, may_connect

#: A user's id in Centrifugo ("" for visitors) and the name of a channel.
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Row:
    """A channel of the settings or the admin: its level (None if it is inactive) and the primary keys of its groups."""

    level: str | None
    groups: frozenset[Any] = field(default_factory=frozenset)


@dataclass(slots=True)
class Users:
    """Users by their ids in Centrifugo, and the groups of each user by its pk. Deleted users are not included."""

    by_id: Mapping[str, Any]
    groups: Mapping[Any, set[Any]]


def read_users(subs: Iterable[str]) -> Users:
    """Return these users with their groups: two queries for every QUERY_SIZE users. The id "" stands for a visitor."""
    subs = set(subs)
    found: dict[str, Any] = dict(users_named(subs - {""}))
    if "" in subs:
        found[""] = AnonymousUser()
    return Users(found, _groups_of(user for sub, user in found.items() if sub))


def refused(pairs: Iterable[Pair], users: Users, rule_budget: int) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs that have no access, and the pairs that were not checked.

    Each pair of a channel by rule calls the rule once. At most `rule_budget` calls are made; the remaining pairs are
    not checked. Topics of pages are left out, because access to them belongs to a page and not to a user.
    """
    wanted = [pair for pair in dict.fromkeys(pairs) if namespace_of(pair[1]) != protocol.PAGES_NAMESPACE]
    rows = _rows({name for _, name in wanted})
    of_rules = by_rule({name for _, name in wanted} - rows.keys())
    denied: list[Pair] = []
    unchecked: list[Pair] = []
    for sub, name in wanted:
        user = users.by_id.get(sub)
        if user is None or not may_connect(user):
            denied.append((sub, name))
        elif name in of_rules:
            rule_budget -= 1
            if rule_budget < 0:
                unchecked.append((sub, name))
            elif rules.ask(user, name, of_rules[name]) is None:
                denied.append((sub, name))
        elif not _is_open(user, sub, name, rows.get(name), users.groups):
            denied.append((sub, name))
    return denied, unchecked


def _is_open(user: Any, sub: str, name: str, row: _Row | None, groups: Mapping[Any, set[Any]]) -> bool:
    if row is None:
        return bool(sub) and name == user_channel(user)
    if row.level == protocol.GROUPS:
        return bool(sub) and not row.groups.isdisjoint(groups.get(user.pk, ()))
    return row.level in open_to(user)


def _rows(names: set[str]) -> dict[str, _Row]:
    """Return the channels of these names from the settings and the admin. If their levels differ, the setting wins."""
    found: dict[str, _Row] = {}
    for part in chunks(sorted(names), QUERY_SIZE):
        rows = Channel.objects.filter(name__in=part).values_list("pk", "name", "level", "is_active")
        found.update(_with_groups(list(rows)))
    for channel in declared.declared():
        if channel.name in names:
            row = found.get(channel.name)
            both = row is not None and row.level == channel.level
            found[channel.name] = row if both and row is not None else _Row(channel.level)
    return found


def _with_groups(rows: list[tuple[Any, str, str, bool]]) -> Iterator[tuple[str, _Row]]:
    pks = [pk for pk, _, level, is_active in rows if is_active and level == protocol.GROUPS]
    groups: dict[Any, set[Any]] = {}
    if pks:
        through = Channel.groups.through._default_manager.filter(channel_id__in=pks)
        for channel, group in through.values_list("channel_id", "group_id"):
            groups.setdefault(channel, set()).add(group)
    for pk, name, level, is_active in rows:
        yield name, _Row(level if is_active else None, frozenset(groups.get(pk, ())))


def _groups_of(users: Iterable[Any]) -> dict[Any, set[Any]]:
    """Return the groups of each user by its pk. Return {} if the site's user model has no groups."""
    found: dict[Any, set[Any]] = {}
    if not hasattr(get_user_model(), "groups"):
        return found
    for part in chunks([user.pk for user in users], QUERY_SIZE):
        rows = get_user_model()._default_manager.filter(pk__in=part).values_list("pk", "groups")
        for pk, group in rows:
            if group is not None:
                found.setdefault(pk, set()).add(group)
    return found
