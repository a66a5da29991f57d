"""Models whose objects are the same: a model, its proxies and its multi-table children."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import models
from django.db.models.signals import class_prepared


def family(model: type[models.Model]) -> Iterator[type[models.Model]]:
    """Return the classes whose objects are rows of `model` too: the model, its proxies and its children."""
    seen: set[type[models.Model]] = set()
    todo = [model._meta.concrete_model or model]
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            todo += each.__subclasses__()
            if not each._meta.abstract:
                yield each


def for_family(model: type[models.Model], connect: Callable[[type[models.Model]], object], uid: str) -> None:
    """Call `connect` with each class of the family of `model`, those that are defined later included."""

    def on_prepared(sender: type[models.Model], **_: object) -> None:
        if issubclass(sender, model._meta.concrete_model or model) and not sender._meta.abstract:
            connect(sender)

    for each in family(model):
        connect(each)
    class_prepared.connect(on_prepared, weak=False, dispatch_uid=uid)
