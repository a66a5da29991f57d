"""trigger(): calls the functions of a signal, on the server and in browsers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from ..exceptions import NotQueued, PublishError
from ..on_commit import awaited_connection
from .broadcasting import broadcast
from .dotted_path_settings import plain
from .queued_calls import Call, Delay
from .queues import enqueue, grouped
from .recorder import recorder
from .registry import find
from .running import run_trusted
from .targets import SERVER, WINDOW, targets_of
from .topics import serialized
from .window_info import WindowInfo

logger = logging.getLogger("instant")


def trigger(
    window_info: HttpRequest | WindowInfo | None,
    name: str,
    /,
    to: Any = WINDOW,
    *,
    countdown: float | None = None,
    eta: datetime | None = None,
    expires: float | datetime | None = None,
    immediate: bool = False,
    using: str | None = None,
    **kwargs: Any,
) -> None:
    """Call the functions of the signal `name` for one or several targets: WINDOW, USER, BROADCAST, SERVER, or topics.

    In a transaction of the database `using` (by default the default database), the call is made on commit, unless it is
    `immediate`. `countdown` (seconds), `eta` and `expires` (seconds or a time) are passed to Celery. With `countdown`
    or `eta`, the calls of windows and of functions without a queue are queued, too. Arguments are converted to JSON,
    also for functions in Python. Exceptions of functions in Python are logged. A window or user that does not exist is
    ignored.

    Raises:
        InvalidMessage, InvalidTopic: an argument cannot be encoded, or a target is invalid. Both are ValueErrors.
        InvalidSetting: windows are not in use, or the encoder or serializer of the settings cannot be imported.
        PublishError: Centrifugo could not be reached. The functions in Python were called nevertheless. On commit this
            error is logged instead.
        NotQueued: Celery's broker could not be reached, or Celery is not installed. On commit it is logged instead.
        TransactionManagementError: `using` is None, and only another database has an open transaction.
        TypeError: both `using` and `immediate` are given, or the first argument is neither a request nor a WindowInfo.
    """
    if immediate and using is not None:
        raise TypeError(f"trigger(immediate=True) does not wait for a transaction: leave out using={using!r}")
    connection = None if immediate else awaited_connection(using, what="trigger()")
    info = WindowInfo.from_request(window_info)
    opts: dict[str, Any] = plain(kwargs)
    targets = targets_of(to)
    to_server = SERVER in targets
    names = [serialized(target, info) for target in targets if target is not SERVER]
    topics = list(dict.fromkeys(filter(None, names)))
    delay = Delay(countdown, eta, expires)
    failed: PublishError | None = None
    if topics and not delay.is_later:
        try:
            broadcast(topics, name, opts, on_commit=not immediate, using=using)
        except PublishError as error:
            failed = error
    later = topics if delay.is_later else ()
    work = partial(_run_or_queue, info, name, opts, delay, topics=later, to_server=to_server)
    if connection is not None:
        connection.on_commit(partial(_logged, work), robust=True)
    else:
        work()
    if failed is not None:
        raise failed


async def atrigger(
    window_info: HttpRequest | WindowInfo | None,
    name: str,
    /,
    to: Any = WINDOW,
    *,
    countdown: float | None = None,
    eta: datetime | None = None,
    expires: float | datetime | None = None,
    immediate: bool = False,
    using: str | None = None,
    **kwargs: Any,
) -> None:
    """Do the same as `trigger`, from a coroutine. It runs in the thread in which Django's transactions are open."""
    options: dict[str, Any] = {"countdown": countdown, "eta": eta, "expires": expires, "immediate": immediate}
    await sync_to_async(trigger)(window_info, name, to, using=using, **options, **kwargs)


def _logged(work: partial[None]) -> None:
    try:
        work()
    except NotQueued as error:
        logger.error("%s", error)


def _run_or_queue(
    info: WindowInfo, name: str, opts: dict[str, Any], delay: Delay, *, topics: Sequence[str], to_server: bool
) -> None:
    """Queue delayed calls and functions with a queue, and call the other functions."""
    about = (name, info.to_dict(), opts)
    if topics:
        enqueue(Call(*about, serialized_client_topics=list(topics)), None, delay)
    connections = find(name) if to_server else []
    for queue, own in grouped(connections).items():
        call = Call(*about, to_server=True, queue=own)
        taker = recorder()
        if queue is not None or delay.is_later:
            enqueue(call, queue, delay)
        elif taker is not None:
            taker.take_call(None, call)
        else:
            for connection in connections:
                if connection.queue is None:
                    run_trusted(connection, info, opts)
