"""`manage.py repairoutbox`: create the trigger again that notifies the server of new messages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from instant import outbox_trigger
from instant.centrifugo import outbox_config


class Command(BaseCommand):
    """Create or replace the trigger. The hint of check instant.W008 names this command."""

    help = "Create the PostgreSQL trigger of the outbox again if it was lost (check instant.W008). No row is changed."

    def handle(self, *args: Any, **options: Any) -> None:
        if not outbox_config.is_used():
            raise CommandError("With these settings the server does not read the outbox, so it needs no trigger.")
        try:
            was_there = outbox_trigger.is_there()
            outbox_trigger.make()
        except Error as error:
            raise CommandError(f"The trigger could not be created: {error}") from error
        self.stdout.write("The trigger existed and was replaced." if was_there else "The trigger was created.")
