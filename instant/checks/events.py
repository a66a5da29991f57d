"""manage.py check: event classes that send too much, or where nobody can hear it."""

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
    """E020: a channel that nobody could join. W020: nobody said which fields are sent. W021: a secret is sent."""
    try:
        return [message for event in registered() for message in _of_event(event)]
    except InvalidSetting:
        return []  # E001 says it


def _of_event(event: EventDeclaration) -> Iterator[CheckMessage]:
    plan, owner = event.plan, dotted_name(type(event))
    for name in [] if callable(event.channel) else event.channels_of(None):
        try:
            check_name(name)
        except InvalidChannel as error:
            hint = "Give the class another `channel`, or another `name`, of which its default channel is made."
            yield checks.Error(f"{owner}: {error}", hint=hint, id="instant.E020")
    if plan.has_to_dict or event.fields is not None:
        return
    secrets = [field.name for field in plan.columns if is_secret(field.name)]
    if event.exclude is None:
        without = f" but {', '.join(secrets)}" if secrets else ""
        yield checks.Warning(
            f"{owner} sends all fields of {plan.model._meta.label}{without}, those that will be added, too.",
            hint="Name those that its readers may see in `fields`.",
            id="instant.W020",
        )
    elif sent := sorted({name for name, _ in plan.fields} & set(secrets)):
        yield checks.Warning(
            f"{owner} sends {', '.join(sent)} of {plan.model._meta.label}.",
            hint="Name it in `exclude`, or name what is to be sent in `fields`.",
            id="instant.W021",
        )
