"""Calls of the server's API other than publishing: subscribers, presence, unsubscribing and disconnecting.

This is the only module that imports cent. The import takes 0.3 s, so the first call makes it. Batches are sent by
`http.post`, because cent 5.2 raises KeyError if one command of a batch fails, although the others were carried out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..channels.server_names import in_site, on_server
from ..chunks import chunks
from ..conf.settings import conf
from ..exceptions import ServerError
from ..process_state import PerProcess
from ..protocol import (
    MAX_BATCH_COMMANDS,
    NAMESPACE_BOUNDARY,
    PRIVATE_PREFIX,
    REVOKED_CODE,
    REVOKED_REASON,
    TENANT_BOUNDARY,
)
from ..secret_text import masked, shown, without_frames
from . import http, offline

if TYPE_CHECKING:
    import cent

#: Seconds that one request may take. The admin must not keep a user waiting for long.
TIMEOUT = 2.0


def _new_client(url: str, key: str) -> cent.Client:
    import cent
    import requests

    session = requests.Session()
    # As in `http.py`: no proxy from the environment, and no redirect that would send the key to another host.
    session.trust_env = False
    session.max_redirects = 0
    return cent.Client(f"{url}/api", key, timeout=TIMEOUT, session=session)


_client = PerProcess(lambda: lru_cache(maxsize=4)(_new_client))


def call(method: str, **params: Any) -> Any:
    """Return cent's result of one API call, such as `call("presence", channel="$users")`.

    Raises:
        ServerError: the server sent no response within 2 seconds, or an error. `code` is the error code, `retryable`
            says whether a retry can help.
    """
    offline.require_server()
    import cent
    from cent.exceptions import CentTimeoutError

    request = getattr(cent, "".join(part.title() for part in method.split("_")) + "Request")(**params)
    try:
        result = getattr(_client()(conf.server_url, conf.api_key), method)(request)
    except cent.CentApiResponseError as error:
        raise http.api_error({"code": error.code, "message": error.message}) from without_frames(error)
    except cent.CentUnauthorizedError as error:
        raise ServerError("the server refused the API key", code=401) from without_frames(error)
    except cent.CentTransportError as error:
        code = error.status_code
        text = f"the server answered with HTTP {code}"
        raise ServerError(text, code=code, retryable=code >= 500) from without_frames(error)
    except (cent.CentNetworkError, CentTimeoutError, OSError) as error:  # cent lets some exceptions of requests through
        raise ServerError(f"the server is not reachable: {masked(str(error))}", retryable=True) from without_frames(
            error
        )
    except cent.CentError as error:
        raise ServerError(masked(str(error))) from without_frames(error)
    except Exception as error:
        raise without_frames(error)  # noqa: B904 - itself
    if result is None:
        raise ServerError(f"the program at {shown(conf.server_url)} is not Centrifugo")
    return result


def subscribers(channel: str) -> int:
    """Return the number of connections that are subscribed to `channel` now.

    It works without presence in the channel's options.

    Raises:
        InvalidChannel: the name is too long with its tenant.
        ServerError: see `http.post`.
    """
    name = on_server(channel)
    found = _channels([_escaped(name)]).get(name) or {}
    return int(found.get("num_clients") or 0)


def private_channels() -> set[str]:
    """Return the private channels of this site that have subscribers now.

    Raises:
        ServerError: see `http.post`.
    """
    start = _escaped(f"{conf.tenant}{TENANT_BOUNDARY}") if conf.tenant else ""
    # A `*` matches any characters, so the result may include channels of other tenants. `in_site` drops them.
    patterns = (
        [f"{PRIVATE_PREFIX}{start}*", f"{PRIVATE_PREFIX}*{NAMESPACE_BOUNDARY}{start}*"]
        if start
        else [f"{PRIVATE_PREFIX}*"]
    )
    return set(filter(None, map(in_site, _channels(patterns))))


def _channels(patterns: Iterable[str]) -> dict[str, Any]:
    """Return the channels with subscribers that match one of these patterns, by their names on the server."""
    found: dict[str, Any] = {}
    for reply in _batch([{"channels": {"pattern": pattern}} for pattern in patterns]):
        if "error" in reply:
            raise http.api_error(reply["error"])
        found.update(reply["channels"].get("channels") or {})
    return found


class Client(NamedTuple):
    """A subscribed connection: its id, its user's id, and the `info` of its connection and channel tokens."""

    id: str
    user: str
    info: Any
    channel_info: Any = None


def clients_in(channels: Iterable[str]) -> dict[str, list[Client] | None]:
    """Return the connections in each of these channels, or None for a channel whose options keep no presence.

    Raises:
        InvalidChannel: a name is too long with its tenant.
        ServerError: see `http.post`.
    """
    found: dict[str, list[Client] | None] = {}
    for part in chunks(channels, MAX_BATCH_COMMANDS):
        for channel, reply in zip(
            part, _batch([{"presence": {"channel": on_server(name)}} for name in part]), strict=True
        ):
            if "error" in reply:
                if reply["error"].get("code") not in (102, 108):
                    raise http.api_error(reply["error"])
                found[channel] = None
            else:
                present = (reply.get("presence") or {}).get("presence") or {}
                found[channel] = [
                    Client(client, info.get("user", ""), info.get("conn_info"), info.get("chan_info"))
                    for client, info in present.items()
                ]
    return found


def disconnect_all(connections: Iterable[tuple[str, str]]) -> None:
    """Close the connections of these (user, client id) pairs; an empty client id means all of the user.

    Raises:
        ServerError: see `http.post`. Connections of earlier requests stay closed.
    """
    how = {"code": REVOKED_CODE, "reason": REVOKED_REASON}
    commands = [
        {"disconnect": {"user": user, **({"client": client} if client else {}), "disconnect": how}}
        for user, client in connections
    ]
    for part in chunks(commands, MAX_BATCH_COMMANDS):
        for reply in _batch(part):
            if "error" in reply:
                raise http.api_error(reply["error"])


def unsubscribe(pairs: Iterable[tuple[str, str]]) -> None:
    """Unsubscribe each user from the channel of its (user, channel) pair, in as few requests as possible.

    Raises:
        InvalidChannel: a name is too long with its tenant.
        ServerError: see `http.post`. Earlier requests are not undone.
    """
    _unsubscribe([{"user": user, "channel": on_server(channel)} for user, channel in pairs])


def unsubscribe_clients(clients: Iterable[tuple[Client, str]]) -> None:
    """Unsubscribe each of these connections from its channel. Other connections of the same user stay subscribed.

    Raises:
        InvalidChannel: a name is too long with its tenant.
        ServerError: see `http.post`. Earlier requests are not undone.
    """
    _unsubscribe(
        [{"user": client.user, "client": client.id, "channel": on_server(channel)} for client, channel in clients]
    )


def _unsubscribe(params: list[dict[str, Any]]) -> None:
    commands = [{"unsubscribe": each} for each in params]
    for part in chunks(commands, MAX_BATCH_COMMANDS):
        for reply in _batch(part):
            if "error" in reply and reply["error"].get("code") != 102:  # 102: the namespace no longer exists
                raise http.api_error(reply["error"])


def _batch(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = http.post("batch", json.dumps({"commands": commands}).encode(), TIMEOUT)
    replies: list[dict[str, Any]] | None = answer.get("replies")
    if replies is None or len(replies) != len(commands):
        raise ServerError(f"the program at {shown(conf.server_url)} is not Centrifugo")
    return replies


def _escaped(channel: str) -> str:
    """Escape the characters that are special in the server's glob patterns."""
    return "".join(f"\\{char}" if char in "*?[]{}!\\," else char for char in channel)
