"""Unsubscribe users who have lost access to a channel, and disconnect those who may no longer connect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from ..access import channel_access
from ..centrifugo import cent_api
from ..channels import declared, rules
from ..channels.user_ids import user_id, users_named
from ..conf.settings import conf
from ..models import Channel

if TYPE_CHECKING:
    from ..channels.rules import Match

#: Channels of rules about which one look asks; a rule may need a query for each.
MAX_ASKED = 1_000


def apply_to_user(sub: str) -> None:
    """Unsubscribe the user with the id `sub` from the channels that the user may no longer join.

    Raises:
        ServerError: the server could not be reached, or refused.
    """
    field = get_user_model().USERNAME_FIELD if conf.INSTANT_USER_ID == "username" else "pk"
    user = get_user_model()._default_manager.filter(**{field: sub}).first()
    if user is None or not user.is_active:
        cent_api.disconnect(sub)
        return
    allowed = {channel.name for channel in channel_access.channels_for(user)}
    names = {*Channel.objects.values_list("name", flat=True), *(channel.name for channel in declared.declared())}
    cent_api.unsubscribe((sub, name) for name in names if name not in allowed)
    _at_rules(sub, user)


def _at_rules(sub: str, user: Any) -> None:
    """Ask the rules about the channels that somebody is in now, as nobody knows which of them this user has joined.

    Where there are more than MAX_ASKED the user is disconnected, and comes back with what is allowed then.
    """
    entries = [entry for entry in rules.registered() if not entry.fault]
    names = {entry.prefix for entry in entries if entry.is_exact}
    names |= cent_api.channels_starting({entry.prefix for entry in entries if not entry.is_exact}) if entries else set()
    asked = channel_access.by_rule(sorted(names))
    if len(asked) > MAX_ASKED:
        cent_api.disconnect(sub)
        return
    cent_api.unsubscribe((sub, name) for name, match in asked.items() if rules.ask(user, name, match) is None)


def apply_to_channel(name: str) -> None:
    """Unsubscribe from the channel of this name all users who may no longer be in it.

    Raises:
        ServerError: the server could not be reached, or refused.
    """
    if not cent_api.subscribers(name):
        return
    present = cent_api.users_in(name)
    if match := channel_access.by_rule([name]).get(name):
        cent_api.unsubscribe((sub, name) for sub in _refused_by_rule(name, match, present))
        return
    allowed = channel_access.audience_of(name)
    if present is None:  # no presence in the channel's options: everyone whom the server may know
        present = {user_id(user) for user in get_user_model()._default_manager.iterator()} | {""}
    cent_api.unsubscribe((sub, name) for sub in present - allowed)


def _refused_by_rule(name: str, match: Match, present: set[str] | None) -> Iterator[str]:
    """Those who may not be in the channel: of those who are, or without presence in its options of everyone."""
    if present is None:
        users: Iterable[tuple[str, Any]] = (
            (user_id(user), user) for user in get_user_model()._default_manager.iterator()
        )
    else:
        users = dict(users_named(present - {""})).items()
        yield from present - {""} - {sub for sub, _ in users}
    visitors = [("", AnonymousUser())] if present is None or "" in present else []
    for sub, user in chain(users, visitors):
        if not channel_access.may_connect(user) or rules.ask(user, name, match) is None:
            yield sub
