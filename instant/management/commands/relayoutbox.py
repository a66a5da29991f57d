"""`manage.py relayoutbox`: deliver the outbox if the server has no consumer for it."""

from __future__ import annotations

import signal
from argparse import ArgumentTypeError
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from instant.centrifugo import outbox_config
from instant.exceptions import InstantError
from instant.management.tenant_option import add_tenant_option, in_tenant
from instant.outbox import INTERVAL, Relay, backlog


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise ArgumentTypeError(f"{text} is not a number of seconds greater than 0 and at most 3600")
    return seconds


class Command(BaseCommand):
    """Deliver the rows of the outbox to the server, in order. Several of these commands may run at the same time."""

    help = (
        "Deliver the messages of the outbox (INSTANT_BROADCAST_WITH = 'outbox') to the server, until Ctrl-C or "
        "SIGTERM. On PostgreSQL the server does this itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="deliver the waiting messages, and exit")
        parser.add_argument(
            "--interval",
            type=_seconds,
            default=INTERVAL,
            help="seconds between two queries of an empty outbox (%(default)s)",
        )
        parser.add_argument(
            "--force", action="store_true", help="run together with the server's own consumer; each waits for the other"
        )
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with in_tenant(options):
            self._deliver(**options)

    def _deliver(self, **options: Any) -> None:
        if outbox_config.is_used() and not options["force"]:
            raise CommandError(
                "The server delivers the outbox itself: on PostgreSQL `runws` configures a consumer for it. Use "
                "--force for rows of a partition that it does not read, or if the server was started without one."
            )
        relay = Relay()
        if options["once"]:
            self._once(relay)
            return

        def stop(signum: int, frame: FrameType | None) -> None:
            relay.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        self.stdout.write("Delivering the outbox. Press Ctrl-C to stop.")
        self.stdout.flush()
        relay.run(options["interval"])

    def _once(self, relay: Relay) -> None:
        total = 0
        try:
            while done := relay.deliver():
                total += done
            relay.release()
            left = backlog().rows
        except (InstantError, Error) as error:
            raise CommandError(f"Delivered {total} messages, the others remain in the outbox: {error}") from error
        self.stdout.write(f"Delivered {total} messages, {left} remain.")
