"""`python -m tests.benchmarks.config PORT`: print the server's config for the settings, and make the tables."""

from __future__ import annotations

import json
import os
import sys

import django


def main() -> None:
    """Migrate where there is a database, and render."""
    django.setup()
    from django.core.management import call_command

    from instant.centrifugo.config import render

    if "BENCH_DATABASE" in os.environ:
        call_command("migrate", verbosity=0)
    sys.stdout.write(json.dumps(render(port=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
