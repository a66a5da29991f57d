"""`python -m tests.benchmarks.site.send KIND CLIENTS`: trigger for so many windows with each line of the input."""

from __future__ import annotations

import sys

import django


def main() -> None:
    """Say that it is ready, and obey."""
    django.setup()
    from instant.windows import BROADCAST, trigger

    kind, clients = sys.argv[1], int(sys.argv[2])
    to = BROADCAST if kind == "shared" else list(range(clients))
    print("ready", flush=True)
    for line in sys.stdin:
        trigger(None, "bench.news", to=to, number=int(line))


if __name__ == "__main__":
    main()
