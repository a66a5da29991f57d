"""Decides which channels a user may join. Tokens, endpoints and revocation use this module.

Only the user may join a personal channel. A channel of the settings or the admin has a level. Rules decide about all
other names.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

from .. import protocol
from ..channels import declared, rules
from ..channels.namespaces import check_own_name
from ..channels.user_ids import user_channel
from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..exceptions import InvalidChannel
from ..models import Channel, open_to

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from ..channels.declared import Declared
    from ..channels.rules import Match
    from ..channels.user_ids import User

logger = logging.getLogger("instant")


@dataclass(frozen=True, slots=True)
class Access:
    """A channel that a user may join.

    `level` is a `Channel.Level` value, "user", "rule" or "page". `claims` are what a rule adds to the token.
    """

    name: str
    level: str
    claims: Mapping[str, Any] | None = None


#: A channel that a user may join, and the paths of the pages that join it automatically. No paths means all pages.
Offer = tuple[Access, Iterable[str]]


def may_connect(user: User) -> bool:
    """Report whether `user` may connect: active users may, and visitors if INSTANT_ALLOW_ANONYMOUS is True."""
    return bool(user.is_authenticated and user.is_active) or (
        not user.is_authenticated and conf.INSTANT_ALLOW_ANONYMOUS
    )


def channels_for(user: User, path: str | None = None) -> list[Access]:
    """Return the channels that `user` may join, each once, ordered by name.

    With `path`, return only those that the page at this path joins automatically. A channel that is in both the admin
    and the settings has the paths of both. Channels by rule are not included, because they cannot be listed.

    Raises:
        InvalidSetting: a setting with channels has a wrong form or an invalid name.
    """
    return at_path(offers_to(user), path)


def offers_to(user: User) -> list[Offer]:
    """Return the channels that `user` may join, with the paths of the pages that join them automatically.

    This makes one query.

    Raises:
        InvalidSetting: a setting with channels has a wrong form or an invalid name.
    """
    return list(_open_to(user)) if may_connect(user) else []


def at_path(offers: Iterable[Offer], path: str | None) -> list[Access]:
    """Return these channels, each once, ordered by name. With `path`, return only those that the page there joins."""
    found = {
        access.name: access for access, paths in offers if path is None or declared.is_joined_at(paths or (), path)
    }
    return [found[name] for name in sorted(found)]


def _open_to(user: User) -> Iterator[Offer]:
    """Yield each channel with its paths. A channel that is in both the settings and the admin is yielded twice."""
    if user.is_authenticated:
        yield Access(user_channel(user), protocol.PERSONAL), ()
    of_settings = {channel.name: channel for channel in declared.declared()}
    levels = open_to(user)
    for channel in of_settings.values():
        if channel.level in levels:
            yield Access(channel.name, channel.level), channel.paths
    for name, level, paths in Channel.objects.for_user(user).values_list("name", "level", "paths"):
        own = of_settings.get(name)
        if own is not None and own.level != level:
            _warn_once(
                f"{own.setting} declares {name!r} with another level than the admin. The setting wins, and the row "
                "grants no access."
            )
        elif own is not None or _is_joinable(name):
            yield Access(name, level), paths


#: The warnings that were logged already. Each is logged once, not at each request.
_warned: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        logger.warning("a channel of the admin is ignored: %s", text)


def _is_joinable(name: str) -> bool:
    """Report whether clients can join the channel.

    A namespace may have been removed from the settings after the row was saved. This must not break the tokens of other
    channels.
    """
    try:
        check_own_name(name)
    except InvalidChannel as error:
        _warn_once(str(error))
        return False
    return True


def may_join(user: User, channel: str) -> bool:
    """Report whether `user` may join the channel of this name now.

    Raises:
        InvalidSetting: a setting with channels has a wrong form or an invalid name.
    """
    return bool(allowed(user, [channel]))


def allowed(user: User, names: Iterable[str]) -> dict[str, Access]:
    """Return those of these channels that `user` may join now, by name. A rule is called once for each name.

    Raises:
        InvalidSetting: a setting with channels has a wrong form or an invalid name.
    """
    return allowed_of(offers_to(user), user, names)


def allowed_of(offers: Iterable[Offer], user: User, names: Iterable[str]) -> dict[str, Access]:
    """Do the same as `allowed`, for a user whose offers were read already."""
    return allowed_in_time(offers, user, names, math.inf)[0]


def allowed_in_time(
    offers: Iterable[Offer], user: User, names: Iterable[str], seconds: float
) -> tuple[dict[str, Access], list[str]]:
    """Return what `allowed_of` returns, and the names that were not checked in time.

    When the rules have taken `seconds` seconds, no further rule is called. A running rule is not interrupted.
    """
    if not may_connect(user):
        return {}, []
    end = time.monotonic() + seconds
    known = {access.name: access for access, _ in offers}
    wanted = dict.fromkeys(names)
    found = {name: known[name] for name in wanted if name in known}
    late: list[str] = []
    for name, match in by_rule(name for name in wanted if name not in known).items():
        if time.monotonic() > end:
            late.append(name)
            continue
        verdict = rules.ask(user, name, match)
        if verdict is not None:
            found[name] = Access(name, protocol.RULE, verdict or None)
    return {name: found[name] for name in wanted if name in found}, late


def by_rule(names: Iterable[str]) -> dict[str, Match]:
    """Return the rules of those names that rules decide about.

    Rules do not decide about names in the settings or the admin, even if the row is inactive.
    """
    matches = {name: match for name in names if declared.find(name) is None and (match := _rule_of(name)) is not None}
    for part in chunks(list(matches), QUERY_SIZE):
        for name in Channel.objects.filter(name__in=part).values_list("name", flat=True):
            del matches[name]
    return matches


def _rule_of(name: str) -> Match | None:
    """Return the rule of this name. Return None if there is no rule, or if no channel can have the name."""
    try:
        check_own_name(name)
    except InvalidChannel:
        return None
    return rules.find(name)


def _deciding_channel(channel: Channel | Declared) -> Channel | Declared:
    """Return the channel that decides who may join: the setting if one declares this name, otherwise the row."""
    return declared.find(channel.name) or channel


def members(channel: Channel | Declared) -> QuerySet[Any]:
    """Return the users who may join `channel`."""
    channel = _deciding_channel(channel)
    model = get_user_model()
    users: QuerySet[Any] = model._default_manager.all()
    if any(field.name == "is_active" for field in model._meta.concrete_fields):
        users = users.filter(is_active=True)
    if channel.level in (protocol.STAFF, protocol.SUPERUSER):
        flag = "is_staff" if channel.level == protocol.STAFF else "is_superuser"
        has_flag = any(field.name == flag for field in model._meta.concrete_fields)
        users = users.filter(**{flag: True}) if has_flag else users.none()
    elif isinstance(channel, Channel) and channel.level == protocol.GROUPS:
        groups = channel.groups.order_by().values("pk")
        users = users.filter(groups__in=groups).distinct() if hasattr(model, "groups") else users.none()
    return users
