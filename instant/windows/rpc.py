"""Passes calls from browsers, which arrive through Centrifugo's RPC proxy, to the functions of signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..access.ended_sessions import has_ended
from ..access.known_rights import note_rights_of_connection
from ..exceptions import Deny
from . import dispatch
from .window_info import WindowInfo


def call(
    name: str, opts: Any, *, user: str, client: str, meta: Mapping[str, Any], headers: Mapping[str, str]
) -> dict[str, Any]:
    """Return the response to a call of the signal `name`: {"value": result}, or {"queued": True} without a single
    result.

    `user` is the user's id in Centrifugo, or "" for a visitor. `client` is the id of the connection. `meta` is what
    Django signed into the connection's token. `headers` are the browser's headers that Centrifugo forwards.

    Raises:
        Deny: the user's session has ended (403), the user was deleted, may not log in or does not match `meta` (403),
            or as for `dispatch.call`.
        Disconnect: a function raised it.
    """
    opts = {} if opts is None else opts
    if not isinstance(opts, dict):
        raise Deny(400, "the arguments must be an object")
    info = WindowInfo.from_client(user, meta, headers, client=client)
    if has_ended(info.user, meta):
        raise Deny(403, "this session has ended")
    note_rights_of_connection(info.user, meta)
    answer = dispatch.call(name, opts, info)
    return {"value": answer.value} if isinstance(answer, dispatch.Value) else {"queued": True}
