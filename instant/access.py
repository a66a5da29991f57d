"""Who may join what, and the credentials for it: the one place that tokens and endpoints ask.

A name is judged by what it is: a user's own channel, one of the settings or of a row, or else what a rule says of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from . import declared, protocol, verdicts
from .channels import check_own_name, personal_channel
from .conf import conf
from .exceptions import InvalidChannel
from .models import Channel, open_to
from .token import channel_token_for, connection_token, user_id

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from .declared import Declared
    from .rules import Match
    from .token import User

logger = logging.getLogger("instant")


@dataclass(frozen=True, slots=True)
class Access:
    """One channel that a user may join: its name, its level (a `Channel.Level` value, "user" or "rule"), and what a
    rule adds to the token."""

    name: str
    level: str
    claims: Mapping[str, Any] | None = None


class ChannelCredentials(TypedDict):
    """A channel and the token that joins it."""

    name: str
    level: str
    token: str


class Refusal(TypedDict):
    """A channel that was asked for and refused."""

    name: str
    reason: str


class Credentials(TypedDict):
    """What a client needs: the answer of login and get_token, but for the CSRF token, which belongs to a request."""

    ws_token: str
    websocket_url: str
    channels: list[ChannelCredentials]
    refused: list[Refusal]


#: Names in one query: SQLite took no more than 999 once.
_CHUNK = 500
#: Why a channel is refused; the same for one that does not exist, so that names cannot be probed.
NOT_ALLOWED = "you may not join this channel, or it does not exist"


def may_connect(user: User) -> bool:
    """Tell whether `user` may have a connection at all: anyone logged in and active; visitors where settings say so."""
    return bool(user.is_authenticated and user.is_active) or (
        not user.is_authenticated and conf.INSTANT_ALLOW_ANONYMOUS
    )


def channels_for(user: User, path: str | None = None) -> list[Access]:
    """Return the channels that `user` may join, each once, by name: all of them, or with the `path` of a page those
    that this page joins by itself.

    What the admin and the settings both have is joined where either says. What rules let join cannot be listed.
    """
    if not may_connect(user):
        return []
    found = {
        access.name: access
        for access, paths in _open_to(user)
        if path is None or declared.is_joined_at(paths or (), path)
    }
    return [found[name] for name in sorted(found)]


def _open_to(user: User) -> Iterator[tuple[Access, Iterable[str]]]:
    """Each channel with its paths; one that is declared twice, twice."""
    if sub := user_id(user):
        yield Access(personal_channel(sub), protocol.PERSONAL), ()
    of_settings = {channel.name: channel for channel in declared.declared()}
    levels = open_to(user)
    for channel in of_settings.values():
        if channel.level in levels:
            yield Access(channel.name, channel.level), channel.paths
    for name, level, paths in Channel.objects.for_user(user).values_list("name", "level", "paths"):
        own = of_settings.get(name)
        if own is not None and own.level != level:
            _tell_once(f"{own.setting} declares {name!r} for another level than the admin does, and holds")
        elif own is not None or _is_joinable(name):
            yield Access(name, level), paths


#: What the log has already: it should not be told at each request.
_told: set[str] = set()


def _tell_once(text: str) -> None:
    if text not in _told:
        _told.add(text)
        logger.warning("left out of the tokens: %s", text)


def _is_joinable(name: str) -> bool:
    """A row whose namespace has left the settings since must not spoil the tokens of the others."""
    try:
        check_own_name(name)
    except InvalidChannel as error:
        _tell_once(str(error))
        return False
    return True


def may_join(user: User, channel: str) -> bool:
    """Tell whether `user` may join the channel of this name now."""
    return bool(allowed(user, [channel]))


def allowed(user: User, names: Iterable[str]) -> dict[str, Access]:
    """Return which of these channels `user` may join now, by name; a rule is asked once for each."""
    if not may_connect(user):
        return {}
    known = {access.name: access for access in channels_for(user)}
    wanted = dict.fromkeys(names)
    found = {name: known[name] for name in wanted if name in known}
    for name, match in by_rule(name for name in wanted if name not in known).items():
        verdict = verdicts.ask(user, name, match)
        if verdict is not None:
            found[name] = Access(name, protocol.RULE, verdict or None)
    return {name: found[name] for name in wanted if name in found}


def by_rule(names: Iterable[str]) -> dict[str, Match]:
    """Return the rules of those of these names that rules decide about: neither the settings nor a row have the name,
    not even one that is inactive."""
    matches = {
        name: match for name in names if declared.find(name) is None and (match := verdicts.rule_of(name)) is not None
    }
    wanted = list(matches)
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        for name in Channel.objects.filter(name__in=part).values_list("name", flat=True):
            del matches[name]
    return matches


def audience(channel: Channel | Declared) -> set[str]:
    """Return who may be in `channel`, as the server names users; "" stands for visitors who are not logged in."""
    users = {user_id(user) for user in members(channel).iterator()}
    if _in_force(channel).level == protocol.PUBLIC and conf.INSTANT_ALLOW_ANONYMOUS:
        users.add("")
    return users


def audience_of(name: str) -> set[str]:
    """Return the `audience` of the channel of this name; nobody, where there is none that is active."""
    channel = declared.find(name) or Channel.objects.filter(name=name, is_active=True).first()
    return audience(channel) if channel else set()


def _in_force(channel: Channel | Declared) -> Channel | Declared:
    """What decides who may join: the settings, where they have the name too."""
    return declared.find(channel.name) or channel


def members(channel: Channel | Declared) -> QuerySet[Any]:
    """Return the users who may join `channel`: `channels_for`, asked from the other side."""
    channel = _in_force(channel)
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


def credentials(
    user: User,
    channels: Iterable[str] | None = None,
    *,
    path: str | None = None,
    websocket_url: str | None = None,
    page_channels: Iterable[str] = (),
    meta: dict[str, Any] | None = None,
) -> Credentials:
    """Return the JSON with which `user`'s client connects and joins, for a view of your own (DRF, mobile).

    With `channels`, tokens for just these names, wherever they are joined; what the user may not join is in `refused`.
    Else for all, or with the `path` of a page for those of that page. `page_channels` are joined besides, without being
    asked about, and `meta` is for the server's proxies: both come from a page that Django signed (see `views.windows`).
    The answer holds secrets: send it with `Cache-Control: no-store`.

    Raises:
        PermissionDenied: the user may not connect.
    """
    if not may_connect(user):
        raise PermissionDenied("log in to get a token")
    if isinstance(channels, str):
        raise TypeError(f"channels is a list of names, not the name {channels!r}")
    asked = None if channels is None else list(dict.fromkeys(channels))
    found = channels_for(user, path) if asked is None else list(allowed(user, asked).values())
    found += [Access(name, protocol.PAGE) for name in page_channels if asked is None or name in asked]
    given = {access.name for access in found}
    return {
        "ws_token": connection_token(user, meta=meta),
        "websocket_url": websocket_url or default_websocket_url(),
        "channels": channel_credentials(user, found),
        "refused": [{"name": name, "reason": NOT_ALLOWED} for name in asked or () if name not in given],
    }


def channel_credentials(user: User, found: Iterable[Access]) -> list[ChannelCredentials]:
    """Return the tokens of channels that the caller has just found to be allowed for `user`."""
    sub = user_id(user)
    return [
        {"name": access.name, "level": access.level, "token": channel_token_for(sub, access.name, access.claims)}
        for access in found
    ]


def default_websocket_url() -> str:
    """Return the address that browsers use where there is no request to tell the host: INSTANT_WEBSOCKET_URL, else
    the address that Django itself uses."""
    return conf.INSTANT_WEBSOCKET_URL or conf.server_url.replace("http", "ws", 1)
