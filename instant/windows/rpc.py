"""Passes calls from browsers, which come from Centrifugo's RPC proxy, to the functions of signals."""

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
    """Return the result of the function of the signal `name`, or that the call was queued.

    `user` is the user's id in Centrifugo, "" for a visitor. `client` is the connection's id, `meta` what Django signed
    into the connection's token, and `headers` are those of the browser that Centrifugo forwards.

    Raises:
        Deny: the caller has no permission, or there is no such signal.
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
