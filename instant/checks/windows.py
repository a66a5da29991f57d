"""manage.py check: signals that cannot be called, queues that lead nowhere, and on request what browsers may call."""

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
#: More cannot be joined: a page has other channels as well.
_MOST_TOPICS = CHANNEL_LIMIT - 24


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_signals)
    checks.register(check_settings)
    checks.register(list_signals, TAG)


def check_signals(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E040: an annotation that cannot be read. E041: a queue without Celery. W040: Celery without a broker."""
    found: list[CheckMessage] = []
    for connection in registered():
        try:
            connection.parameters  # noqa: B018
        except InvalidSignal as error:
            hint = "Annotate it with a type, or a function of one value, that the module itself can name."
            found.append(checks.Error(str(error), hint=hint, id="instant.E040"))
    return [*found, *_of_queues()]


def _of_queues() -> Iterator[CheckMessage]:
    queued = next((connection for connection in registered() if connection.queue is not None), None)
    if queued is None:
        return
    if not has_celery():
        if not settings.DEBUG:
            yield checks.Error(
                f"The signal {queued} has the queue {queued.queue!r}, and Celery is not installed.",
                hint="pip install django-instant[celery], or leave out `queue`.",
                id="instant.E041",
            )
        return
    from ..windows.celery import has_broker

    if not has_broker():
        yield checks.Warning(
            f"The signal {queued} has the queue {queued.queue!r}, and no Celery app with a broker is set up.",
            hint="Make an app in celery.py beside settings.py, and import it in the __init__.py there, as Celery's "
            "documentation of Django says.",
            id="instant.W040",
        )


def list_signals(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """I040: a function that browsers may call, and its guard. Only for `--tag instant_signals`."""
    if TAG not in _tags_asked_for():
        return []
    found = sorted((connection for connection in registered() if not connection.is_server_side), key=str)
    texts = (f"Browsers may call {connection}. Guard: {connection.guard}." for connection in found)
    return [checks.Info(text, id="instant.I040") for text in texts]


def _tags_asked_for() -> Collection[str]:
    """Return the tags that `run_checks`, which calls the check that calls this, was asked for.

    Django calls every check when no tag is asked for, and does not tell a check which case it is in.
    """
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame and frame.f_back
    return frame.f_locals.get("tags") or () if frame else ()


def check_settings(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E042: a setting of windows names what cannot be imported, or a number that cannot be."""
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
            hint = "Correct it, or leave it out: its default is good for most sites."
            found.append(checks.Error(str(error), hint=hint, id="instant.E042"))
    return found


def _max_topics() -> None:
    if not 0 < conf.INSTANT_MAX_TOPICS <= _MOST_TOPICS:
        raise InvalidSetting(
            f"INSTANT_MAX_TOPICS is {conf.INSTANT_MAX_TOPICS}; it must be from 1 to {_MOST_TOPICS}: the server lets a "
            f"connection join {CHANNEL_LIMIT} channels."
        )
