"""Calls from browsers, as they come from Centrifugo's RPC proxy, to the functions that are connected to signals."""

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
    """Return what the function of the signal `name` returned, or that the call is in a queue.

    `user` is the id of the user who connected, "" for a visitor, `client` the connection's id, `meta` what Django
    signed into the connection's token, `headers` those of the browser's that the server passes on.

    Raises:
        Deny: the caller may not, or there is no such signal.
    """
    opts = {} if opts is None else opts
    if not isinstance(opts, dict):
        raise Deny(400, "the options of a call are an object")
    info = WindowInfo.from_client(user, meta, headers, client=client)
    if has_ended(info.user, meta):
        raise Deny(403, "this session has ended")
    note_rights_of_connection(info.user, meta)
    answer = dispatch.call(name, opts, info)
    return {"value": answer.value} if isinstance(answer, dispatch.Value) else {"queued": True}
