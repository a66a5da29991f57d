"""Check signals that cannot be called and queues without Celery, and list on request what browsers may call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from ..centrifugo.config import CHANNEL_LIMIT
from ..conf.settings import conf
from ..exceptions import InvalidSetting, InvalidSignal
from ..windows import dotted_path_settings
from ..windows.queues import has_celery
from ..windows.registry import registered
from ..windows.window_info import info_middlewares

#: `manage.py check --tag instant_signals` lists what browsers may call.
TAG = "instant_signals"
#: The most topics that a page can join: it has other channels, too.
_MOST_TOPICS = CHANNEL_LIMIT - 24


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_signals)
    checks.register(check_settings)
    checks.register(list_signals, TAG)


def check_signals(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E040: an annotation cannot be read. E041: there is a queue, but no Celery. W040: Celery has no broker."""
    found: list[CheckMessage] = []
    for connection in registered():
        try:
            connection.parameters  # noqa: B018
        except InvalidSignal as error:
            hint = "Annotate it with a type, or a function of one argument, that its module defines or imports."
            found.append(checks.Error(str(error), hint=hint, id="instant.E040"))
    return [*found, *_of_queues()]


def _of_queues() -> Iterator[CheckMessage]:
    queued = next((connection for connection in registered() if connection.queue is not None), None)
    if queued is None:
        return
    if not has_celery():
        if not settings.DEBUG:
            yield checks.Error(
                f"The signal {queued} has the queue {queued.queue!r}, but Celery is not installed.",
                hint="Run `pip install django-instant[celery]`, or remove `queue`.",
                id="instant.E041",
            )
        return
    from ..windows.celery import has_broker

    if not has_broker():
        yield checks.Warning(
            f"The signal {queued} has the queue {queued.queue!r}, but no Celery app with a broker is configured.",
            hint="Create a Celery app in celery.py beside settings.py, and import it in the __init__.py there. See "
            "Celery's documentation for Django.",
            id="instant.W040",
        )


def list_signals(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """I040: a function that browsers may call, and its guard. Only with `--tag instant_signals`."""
    if TAG not in _tags_asked_for():
        return []
    found = sorted((connection for connection in registered() if not connection.is_server_side), key=str)
    texts = (f"Browsers may call {connection}. Guard: {connection.guard}." for connection in found)
    return [checks.Info(text, id="instant.I040") for text in texts]


def _tags_asked_for() -> Collection[str]:
    """Return the tags with which `run_checks` was called, which calls the check that calls this function.

    Without tags, Django runs every check, and a check is not told whether tags were given.
    """
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame and frame.f_back
    return frame.f_locals.get("tags") or () if frame else ()


def check_settings(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E042: a setting of windows names something that cannot be imported, or has a wrong number."""
    reads: tuple[Callable[[], object], ...] = (
        dotted_path_settings.signal_encoder,
        dotted_path_settings.topic_serializer,
        info_middlewares,
        _max_topics,
    )
    found: list[CheckMessage] = []
    for read in reads:
        try:
            read()
        except InvalidSetting as error:
            hint = "Correct it, or remove it: the default suits most sites."
            found.append(checks.Error(str(error), hint=hint, id="instant.E042"))
    return found


def _max_topics() -> None:
    if not 0 < conf.INSTANT_MAX_TOPICS <= _MOST_TOPICS:
        raise InvalidSetting(
            f"INSTANT_MAX_TOPICS is {conf.INSTANT_MAX_TOPICS}; it must be from 1 to {_MOST_TOPICS}, because a "
            f"connection can join at most {CHANNEL_LIMIT} channels."
        )
