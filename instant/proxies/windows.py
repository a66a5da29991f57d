"""Calls from browsers, to the functions that `instant.windows` connects to signals."""

from __future__ import annotations

from typing import Any

from ..exceptions import Deny
from ..windows import dispatch
from ..windows.info import WindowInfo
from . import replies
from .requests import RpcRequest


def call(request: RpcRequest) -> dict[str, Any]:
    """Return what the function of the signal returned, or that the call is in a queue.

    Raises:
        Deny: the caller may not, or there is no such signal.
    """
    opts = {} if request.data is None else request.data
    if not isinstance(opts, dict):
        raise Deny(replies.BAD_REQUEST, "the options of a call are an object")
    info = WindowInfo.from_client(request.user, request.meta, request.headers, client=request.client)
    answer = dispatch.call(request.method, opts, info)
    return {"value": answer.value} if isinstance(answer, dispatch.Value) else {"queued": True}
