"""Check classes of model events that send too much, or to a channel that nobody can join."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage

from ..channels.namespaces import check_name
from ..events.declaration import EventDeclaration
from ..events.payload import is_secret
from ..events.registry import registered
from ..exceptions import InvalidChannel, InvalidSetting
from ..user_callables import dotted_name


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_events)


def check_events(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E020: nobody could join the channel. W020: the fields to send are not declared. W021: a secret is sent."""
    try:
        return [message for event in registered() for message in _of_event(event)]
    except InvalidSetting:
        return []  # E001 reports it


def _of_event(event: EventDeclaration) -> Iterator[CheckMessage]:
    plan, owner = event.plan, dotted_name(type(event))
    for name in [] if callable(event.channel) else event.channels_of(None):
        try:
            check_name(name)
        except InvalidChannel as error:
            hint = "Set another `channel`, or another `name`, from which the default channel is derived."
            yield checks.Error(f"{owner}: {error}", hint=hint, id="instant.E020")
    if plan.has_to_dict or event.fields is not None:
        return
    secrets = [field.name for field in plan.columns if is_secret(field.name)]
    if event.exclude is None:
        without = f" except {', '.join(secrets)}" if secrets else ""
        yield checks.Warning(
            f"{owner} sends all fields of {plan.model._meta.label}{without}, including fields that you add later.",
            hint="List in `fields` the fields that subscribers may see.",
            id="instant.W020",
        )
    elif sent := sorted({name for name, _ in plan.fields} & set(secrets)):
        yield checks.Warning(
            f"{owner} sends {', '.join(sent)} of {plan.model._meta.label}.",
            hint="List it in `exclude`, or list the fields to send in `fields`.",
            id="instant.W021",
        )
