"""The processes of the bench: `python -m tests.faults.site ROLE`, with the setup in the environment (FAULTS).

It is also the project's Celery app.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

SETUP: dict[str, Any] = json.loads(os.environ["FAULTS"])
#: Seconds after which a message without an answer is a failure: more than any backend tries.
PATIENCE = 60.0

if offset := SETUP.get("clock"):  # before anybody reads it
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + offset
    time.time_ns = lambda: _time_ns() + offset * 1_000_000_000

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django  # noqa: E402
from django.utils import timezone  # noqa: E402

if offset:  # timezone.now() does not call time.time()
    _now = timezone.now
    timezone.now = lambda: _now() + timedelta(seconds=offset)
from django.conf import settings  # noqa: E402

for _name, _value in SETUP["settings"].items():
    setattr(settings, _name, _value)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import Error, close_old_connections, connection, transaction  # noqa: E402

from instant import flush, publish, publish_many  # noqa: E402
from instant.backends import get_backend, go_publisher  # noqa: E402
from instant.backends.queueing import QueueingBackend  # noqa: E402
from instant.centrifugo.config import render  # noqa: E402
from instant.exceptions import NotQueued, PublishError  # noqa: E402
from instant.windows import SERVER, WindowInfo, everyone, signal, trigger  # noqa: E402

if SETUP.get("binary"):
    go_publisher.BINARY = Path(SETUP["binary"])

Item = tuple[str, str]

if SETUP.get("broker"):
    from celery import Celery

    app = Celery("faults", broker=SETUP["broker"])
    app.conf.update(
        # The broker returns the calls of a killed worker after this many seconds.
        broker_transport_options={"visibility_timeout": 3, "polling_interval": 0.1},
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )


@signal("faults.publish", everyone, queue="faults")
def called(window_info: WindowInfo, items: list[list[str]]) -> None:
    try:
        publish_many([{"channel": channel, "message": text} for channel, text in items], timeout=PATIENCE)
    except PublishError:
        with (Path(SETUP["config"]).parent / f"failed-{os.getpid()}").open("ab", 0) as failed:
            failed.write(b"".join(f"E {channel} {text}\n".encode() for channel, text in items))
        raise


# How a worker publishes. Each way yields a result and its items: A (accepted) or E (an error was reported).


def many(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    """The server has them when publish_many() returns."""
    publish_many([{"channel": channel, "message": text} for channel, text in items])
    yield "A", items


def singly(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    for item in items[:20]:
        try:
            publish(*item)
        except PublishError:
            yield "E", [item]
        else:
            yield "A", [item]


def flushed(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    backend = get_backend()
    assert isinstance(backend, QueueingBackend)
    before = backend.figures().failed
    for item in items:
        publish(*item, timeout=PATIENCE)
    assert flush(PATIENCE), "no answer in time"
    yield ("A" if backend.figures().failed == before else "E"), items


def waited(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    publish_many([{"channel": channel, "message": text} for channel, text in items], wait=True, timeout=PATIENCE)
    yield "A", items


def handed_over(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    """With "go", the publisher process has a message when publish() returns."""
    for item in items:
        publish(*item, timeout=PATIENCE)
        yield "A", [item]


def in_transaction(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    with transaction.atomic():
        publish_many([{"channel": channel, "message": text} for channel, text in items[:-1]])
        publish(*items[-1])
    yield "A", items


def on_full_disk(items: list[Item]) -> Iterator[tuple[str, list[Item]]]:
    """While the file `full` exists, the database cannot grow, and these items do not fit into its free pages."""
    is_full = Path(SETUP["full"]).exists()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA max_page_count={1 if is_full else 1_000_000}")  # never less than there are
    if is_full:
        much = os.urandom(25_000).hex()  # PostgreSQL compresses text
        publish_many([{"channel": channel, "message": text, "data": much} for channel, text in items])
        yield "A", items
    else:
        yield from in_transaction(items)


WAYS: dict[str, list[Callable[[list[Item]], Iterator[tuple[str, list[Item]]]]]] = {
    "python": [many, many, many, singly],
    "thread": [flushed, flushed, waited],
    "go": [handed_over, handed_over, waited],
    "outbox": [in_transaction],
    "disk": [on_full_disk],
}


def work(told: str, number: int, channels: list[str], ways: str, window: int, pause: float) -> None:
    """Publish until stdin is closed, and write each item's result to a file at once, so that SIGKILL loses none."""
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rng, numbers = random.Random(number), count()
    while not select.select([sys.stdin], [], [], pause)[0]:
        items = [(rng.choice(channels), f"{number}:{next(numbers)}") for _ in range(rng.randint(1, window))]
        known: set[Item] = set()
        try:
            for word, some in rng.choice(WAYS[ways])(items):
                known.update(some)
                os.write(file, b"".join(f"{word} {channel} {text}\n".encode() for channel, text in some))
        except (PublishError, Error):
            rest = [item for item in items if item not in known]
            os.write(file, b"".join(f"E {channel} {text}\n".encode() for channel, text in rest))
            close_old_connections()
            time.sleep(0.05)


def call(told: str, number: int, channels: list[str], ways: str, window: int, pause: float) -> None:
    """Queue calls that publish; each runs at least once."""
    file, numbers = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND), count()
    info = WindowInfo(window_key="w", user_id="1", username="ann")
    while not select.select([sys.stdin], [], [], pause)[0]:
        items = [(channels[0], f"{number}:{next(numbers)}") for _ in range(window)]
        try:
            trigger(info, "faults.publish", to=SERVER, items=items)
            word = "A"
        except NotQueued:
            word = "E"
        os.write(file, b"".join(f"{word} {channel} {text}\n".encode() for channel, text in items))


def main(role: str) -> None:
    if role == "worker":
        work(**SETUP["worker"])
    elif role == "calls":
        call(**SETUP["worker"])
    elif role == "relay":
        call_command("relayoutbox", interval=0.05, force=True)
    elif role == "migrate":
        call_command("migrate", verbosity=0)
    elif role == "install":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        call_command("installws", **SETUP["install"])
    else:
        Path(SETUP["config"]).write_text(json.dumps(render()))


if __name__ == "__main__":
    main(sys.argv[1])
