"""Presence: `presence()` and `apresence()` list the users in a channel, `online()` those with an open page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..channels.names import namespace_of
from ..channels.namespaces import check_name
from ..channels.server_names import on_server
from ..channels.user_ids import user_channels, user_in_site
from ..chunks import chunks
from ..exceptions import PresenceUnavailable, ServerError
from ..protocol import MAX_BATCH_COMMANDS
from . import http

_NOT_AVAILABLE = 108


@dataclass(frozen=True, slots=True)
class Person:
    """A user who is subscribed to a channel.

    `user` is the user's primary key as text, or the username with INSTANT_USER_ID = "username". For a visitor it is "",
    and each connection of a visitor is a separate `Person`. `info` is the data that a rule attached to the
    subscription. `clients` is the number of the user's connections in the channel.
    """

    user: str
    info: Any = None
    clients: int = 1


def presence(channel: str, *, timeout: float | None = None) -> list[Person]:
    """Return the users who are subscribed to `channel` now, each once, sorted by id.

    `timeout` is in seconds; the default is INSTANT_PUBLISH_TIMEOUT.

    Raises:
        InvalidChannel: `channel` is not a valid channel name.
        PresenceUnavailable: the options of the namespace keep no presence. The text says which option to set.
        ServerError: the server did not respond, or responded with an error.
    """
    body = _question(channel)
    try:
        return _people(http.post("presence", body, timeout))
    except ServerError as error:
        _explain(error, channel)
        raise


async def apresence(channel: str, *, timeout: float | None = None) -> list[Person]:
    """Return the users who are subscribed to `channel` now, as `presence` does, on the running event loop.

    Raises:
        InvalidChannel: `channel` is not a valid channel name.
        PresenceUnavailable: the options of the namespace keep no presence.
        ServerError: the server did not respond, or responded with an error.
    """
    body = _question(channel)
    try:
        return _people(await http.apost("presence", body, timeout))
    except ServerError as error:
        _explain(error, channel)
        raise


def online(users: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
    """Return those of these users, or primary keys, that have a page open now.

    A user is online if the user's personal channel has a subscriber. `timeout` is in seconds for each batch; the
    default is INSTANT_PUBLISH_TIMEOUT.

    Raises:
        InvalidChannel: the name of a personal channel is too long with its tenant.
        PresenceUnavailable: the options of channels without a namespace keep no presence.
        ServerError: the server did not respond, or responded with an error.
        TypeError: `users` is a string or a queryset of another model, or a user is None or another object.
    """
    found = user_channels(users)
    names = list(dict.fromkeys(name for _, name in found))
    present: set[str] = set()
    for part in chunks(names, MAX_BATCH_COMMANDS):
        commands = [{"presence_stats": {"channel": on_server(name)}} for name in part]
        replies = http.post("batch", json.dumps({"commands": commands}).encode(), timeout).get("replies") or []
        for name, reply in zip(part, replies, strict=True):
            if "error" in reply:
                error = http.api_error(reply["error"])
                _explain(error, name)
                raise error
            if (reply.get("presence_stats") or {}).get("num_clients"):
                present.add(name)
    return [user for user, name in found if name in present]


def _question(channel: str) -> bytes:
    return json.dumps({"channel": on_server(check_name(channel))}).encode()


def _people(answer: dict[str, Any]) -> list[Person]:
    people: dict[tuple[str, str], Person] = {}
    for client, info in sorted((answer["result"].get("presence") or {}).items()):
        user = user_in_site(info.get("user", ""))
        if user is None:
            continue
        key = (user, "" if user else client)
        before = people.get(key)
        about = info.get("chan_info")  # `conn_info` is internal: it identifies the session
        if before is None:
            people[key] = Person(user, about)
        else:
            people[key] = Person(user, about if before.info is None else before.info, before.clients + 1)
    return [people[key] for key in sorted(people)]


def _explain(error: ServerError, channel: str) -> None:
    """Raise PresenceUnavailable if the options of the namespace are the cause of `error`."""
    if error.code == _NOT_AVAILABLE:
        namespace = namespace_of(channel)
        where = f"the namespace {namespace!r} keeps" if namespace else "channels without a namespace keep"
        raise PresenceUnavailable(
            f'{where} no presence: set INSTANT_NAMESPACES = {{"{namespace}": {{"presence": True}}}}, '
            "and start `manage.py runws` again",
            code=_NOT_AVAILABLE,
        ) from error
