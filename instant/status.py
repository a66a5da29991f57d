"""Figures of the server, the Go publisher and the outbox, for `manage.py instantstatus`."""

from __future__ import annotations

import time
from typing import Any

from django.db import DatabaseError

from . import outbox
from .centrifugo import cent_api, http
from .conf.settings import conf
from .exceptions import InstantError, ServerError
from .revocation.repeating import MARGIN
from .secret_text import shown


def status() -> dict[str, dict[str, Any]]:
    """Return the figures of each part by name. The key `problem` says what is wrong with a part.

    "publisher" is included only with the backend "go", and is not started for this; "outbox" only with the backend
    "outbox". Keys that end in `_s`, and `oldest`, are in seconds.
    """
    parts = {"server": _server()}
    if conf.INSTANT_BROADCAST_WITH == "go":
        parts["publisher"] = _publisher()
    if conf.INSTANT_BROADCAST_WITH == "outbox":
        parts["outbox"] = _outbox()
    return parts


def _server() -> dict[str, Any]:
    try:
        nodes = cent_api.call("info").nodes
        offset = time.time() - http.server_time()
    except ServerError as error:
        return {"url": shown(conf.server_url), "problem": str(error)}
    figures = {
        "url": shown(conf.server_url),
        "nodes": len(nodes),
        "version": ", ".join(sorted({node.version for node in nodes})),
        "clients": sum(node.num_clients for node in nodes),
        "users": sum(node.num_users for node in nodes),
        "channels": sum(node.num_channels for node in nodes),
        "uptime_s": min((node.uptime for node in nodes), default=0),
        "clock_offset_s": round(offset, 1),
    }
    if abs(offset) > MARGIN:
        how = f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'}"
        figures["problem"] = (
            f"Django's clock is {how} the server's; tokens and revocations require clocks that agree within {MARGIN} s"
        )
    return figures


def _publisher() -> dict[str, Any]:
    from .backends import go_publisher  # requires what Windows lacks

    try:
        figures = go_publisher.figures()
    except InstantError as error:
        return {"problem": str(error)}
    return figures or {"running": False}  # the next publish starts it


def _outbox() -> dict[str, Any]:
    try:
        backlog = outbox.backlog()
    except DatabaseError as error:
        return {"problem": str(error)}
    figures: dict[str, Any] = backlog._asdict()
    if backlog.unread:
        figures["problem"] = f"{backlog.unread} rows are in partitions that nothing delivers; see check instant.W007"
    elif backlog.oldest > outbox.LATE:
        figures["problem"] = f"the oldest row has waited for {backlog.oldest:.0f} s; see check instant.W006"
    return figures
