"""Queues calls in Celery, or runs them directly in development without Celery."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

from django.conf import settings

from ..exceptions import NotQueued
from .queued_calls import NO_QUEUE, Call, Delay
from .recorder import recorder
from .registry import Connection
from .running import run

logger = logging.getLogger("instant")

_INSTALL = "Celery is not installed: pip install django-instant[celery]"


@cache
def has_celery() -> bool:
    """Report whether Celery is installed."""
    return find_spec("celery") is not None


def grouped(connections: Iterable[Connection]) -> dict[str | None, str | None]:
    """Return the queues of these functions. The values are the `Call.queue` that selects its functions."""
    queues = list(dict.fromkeys(connection.queue for connection in connections))
    return {queue: None if len(queues) == 1 else queue or NO_QUEUE for queue in queues}


def enqueue(call: Call, queue: str | None, delay: Delay = Delay()) -> None:  # noqa: B008 - it is immutable
    """Put a call into a queue; None is Celery's default queue.

    Without Celery the call runs at once if DEBUG is True. Its exceptions are logged.

    Raises:
        NotQueued: the broker cannot be reached, or Celery is not installed.
    """
    taker = recorder()
    if taker is not None:
        taker.take_call(queue, call)
    elif has_celery():
        from .celery import send

        send(call, queue, delay)
    elif delay.is_later:
        raise NotQueued(f"countdown and eta need a queue, but {_INSTALL}")
    elif settings.DEBUG:
        _run_here(call)
    else:
        raise NotQueued(f"the signal {call.name!r} has a queue, but {_INSTALL}")


def _run_here(call: Call) -> None:
    try:
        run(call)
    except Exception:
        logger.debug("a call that DEBUG runs without Celery failed; the error is logged above")
