"""manage.py repairoutbox: make the trigger again that tells the server of new messages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from instant import outbox_trigger
from instant.centrifugo import outbox_config


class Command(BaseCommand):
    """Do what check instant.W008 asks for."""

    help = "Make PostgreSQL's trigger of the outbox again, if it was lost (check instant.W008). No rows are changed."

    def handle(self, *args: Any, **options: Any) -> None:
        if not outbox_config.is_used():
            raise CommandError("the server does not read the outbox of these settings: there is no trigger to repair")
        try:
            was_there = outbox_trigger.is_there()
            outbox_trigger.make()
        except Error as error:
            raise CommandError(f"the trigger was not made: {error}") from error
        self.stdout.write("The trigger was there, and was made again." if was_there else "The trigger is there again.")
