"""`manage.py instantstatus`: show the state of the server, the Go publisher and the outbox."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from instant.status import status


class Command(BaseCommand):
    """Print the figures. The exit status is 1 if there is a problem."""

    help = (
        "Show the figures of the websockets server, the Go publisher and the outbox. The exit status is 1 if one of "
        "them has a problem."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the figures as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        parts = status()
        if options["json"]:
            self.stdout.write(json.dumps(parts, indent=2))
        else:
            for name, figures in parts.items():
                self.stdout.write(self._line(name, figures))
        if any("problem" in figures for figures in parts.values()):
            sys.exit(1)

    def _line(self, name: str, figures: dict[str, Any]) -> str:
        rest = "  ".join(f"{key} {_shown(value)}" for key, value in figures.items() if key != "problem")
        if "problem" in figures:
            return self.style.ERROR(f"{name}: PROBLEM: {figures['problem']}") + (f"  ({rest})" if rest else "")
        return f"{name}: {rest}"


def _shown(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
