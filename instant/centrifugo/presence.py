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
    """Somebody who is in a channel.

    `user` is the id on the server, the pk as text; "" for a visitor, and each of their clients is one of its own.
    `info` is what a rule gave with the subscription, `clients` how many connections the user has here.
    """

    user: str
    info: Any = None
    clients: int = 1


def presence(channel: str, *, timeout: float | None = None) -> list[Person]:
    """Return who is in `channel` now, each user once, by their ids.

    Raises:
        InvalidChannel: it cannot be a channel's name.
        PresenceUnavailable: the options of its namespace keep no presence; the text says which to set.
        ServerError: the server gave no answer.
    """
    body = _question(channel)
    try:
        return _people(http.post("presence", body, timeout))
    except ServerError as error:
        _explain(error, channel)
        raise


async def apresence(channel: str, *, timeout: float | None = None) -> list[Person]:
    """Return who is in `channel` now as `presence` does, on the running event loop."""
    body = _question(channel)
    try:
        return _people(await http.apost("presence", body, timeout))
    except ServerError as error:
        _explain(error, channel)
        raise


def online(users: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
    """Return those of these users, or pks, that have a page open now: who is in the personal channel.

    Raises:
        PresenceUnavailable: the options of channels without a namespace keep no presence.
        ServerError: the server gave no answer.
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
        about = info.get("chan_info")  # `conn_info` is ours: it names the session
        if before is None:
            people[key] = Person(user, about)
        else:
            people[key] = Person(user, about if before.info is None else before.info, before.clients + 1)
    return [people[key] for key in sorted(people)]


def _explain(error: ServerError, channel: str) -> None:
    """Raise what is to be said of `error` where the options are its cause."""
    if error.code == _NOT_AVAILABLE:
        namespace = namespace_of(channel)
        where = f"the namespace {namespace!r} keeps" if namespace else "channels without a namespace keep"
        raise PresenceUnavailable(
            f'{where} no presence: set INSTANT_NAMESPACES = {{"{namespace}": {{"presence": True}}}}, '
            "and start `manage.py runws` again",
            code=_NOT_AVAILABLE,
        ) from error
