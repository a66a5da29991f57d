"""autodiscover(): registers the event classes of all apps."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.utils.module_loading import autodiscover_modules

from . import registry
from .base import BaseEventModel


def autodiscover() -> None:
    """Import `events.py` of every installed app, and register each event class of the apps once.

    Django calls this when it starts; you can call it again. Abstract classes, classes outside the installed apps and
    classes inside functions are skipped: call their `register()`.

    Raises:
        InvalidEvent: a class is wrong, or two classes have the same name.
    """
    autodiscover_modules("events")
    roots = tuple(f"{config.name}." for config in apps.get_app_configs())
    for event_class in _below(BaseEventModel):
        is_ours = event_class.__module__.startswith(roots) and "<locals>" not in event_class.__qualname__
        if is_ours and not event_class.abstract and registry.find(event_class) is None:
            event_class().register()


def _below(event_class: type[BaseEventModel]) -> Iterator[type[BaseEventModel]]:
    seen: set[type[BaseEventModel]] = set()
    todo = event_class.__subclasses__()[::-1]
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            yield each
            todo += each.__subclasses__()[::-1]
