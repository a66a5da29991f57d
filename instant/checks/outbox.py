"""Check the outbox for messages that wait, or that nothing delivers. Runs only with `check --database default`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage
from django.db import Error as DatabaseError

from .. import outbox, outbox_trigger
from ..centrifugo import outbox_config
from ..exceptions import InvalidSetting


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_outbox, checks.Tags.database)


def check_outbox(app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W006: messages wait, and nothing delivers them. W007: messages that nothing will ever deliver. W008: the database
    does not notify the server.

    They run only with `check --database default`.
    """
    if not databases or outbox_config.database() not in databases:
        return []
    try:
        return list(_of_outbox(outbox.backlog()))
    except (DatabaseError, InvalidSetting):
        return []  # not migrated yet, which `migrate` itself must not report; E001 reports wrong settings


def _of_outbox(found: outbox.Backlog) -> Iterator[CheckMessage]:
    if found.rows > found.unread and found.oldest > outbox.LATE:
        who = (
            "Centrifugo, started by `runws` with these settings"
            if outbox_config.is_used()
            else "`manage.py relayoutbox`"
        )
        yield checks.Warning(
            f"{found.rows} messages are in the outbox, the oldest for {found.oldest:.0f} seconds.",
            hint=f"Check that they are delivered: is {who} running?",
            id="instant.W006",
        )
    if found.unread:
        yield checks.Warning(
            f"{found.unread} messages are in partitions of the outbox that nothing delivers.",
            hint="The server refused the messages in partition -1; the relay's log says why. Correct the cause and "
            "update() their partition to 0, or delete them. The others were written when INSTANT_OUTBOX_PARTITIONS was "
            "larger: `manage.py relayoutbox --once --force` delivers them.",
            id="instant.W007",
        )
    if outbox_config.is_used() and not outbox_trigger.is_there():
        yield checks.Warning(
            "The database has no trigger that notifies the server of new messages. Each waits until the server polls.",
            hint="Run `manage.py repairoutbox`, which creates it again.",
            id="instant.W008",
        )
