"""Model families: a model, its proxies and its multi-table children, which share rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import models
from django.db.models.signals import class_prepared


def family(model: type[models.Model]) -> Iterator[type[models.Model]]:
    """Yield the models whose objects are also rows of `model`: the model itself, its proxies and its children."""
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
    """Call `connect` with each class of the family of `model`, including classes that are defined later."""

    def on_prepared(sender: type[models.Model], **_: object) -> None:
        if issubclass(sender, model._meta.concrete_model or model) and not sender._meta.abstract:
            connect(sender)

    for each in family(model):
        connect(each)
    class_prepared.connect(on_prepared, weak=False, dispatch_uid=uid)
