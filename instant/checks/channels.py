"""Check channels: namespaces that are open to clients, names in settings, rules, and rows of the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import Error as DatabaseError
from django.db import router

from ..channels import declared, rules
from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..models import Channel


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_namespaces)
    checks.register(check_declared)
    checks.register(check_rules)
    checks.register(check_rows, checks.Tags.database)


def check_namespaces(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W003: clients may join the channels of a namespace, or publish to them, without Django's permission."""
    try:
        return list(_opened())
    except InvalidSetting:
        return []


#: The meaning of options that begin with these words, and a hint, for W003.
_OPENING = {
    "allow_subscribe": (
        "clients can join channels without a token from Django.",
        "Remove it. Clients join every channel with a token from Django, public ones too.",
    ),
    "allow_publish": (
        "clients can publish without Django's permission.",
        "Pages receive their publications only through instant.onWhisper(), never as a message, an event, a signal or "
        "HTML. The server does not limit their rate, and keeps them in the channel's history, where they can displace "
        "Django's messages before a client recovers them. With allow_publish_for_client, clients that may not join "
        "the channel can publish, too. Remove the option, or use this namespace only for channels to which Django "
        "does not publish.",
    ),
}


def _opened() -> Iterator[CheckMessage]:
    for name, options in conf.INSTANT_NAMESPACES.items():
        for start, (meaning, hint) in _OPENING.items():
            opened = sorted(key for key in options if key.startswith(start) and options[key])
            if opened:
                text = f"INSTANT_NAMESPACES[{name!r}] sets {', '.join(opened)}: {meaning}"
                yield checks.Warning(text, hint=hint, id="instant.W003")


def check_declared(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E005: a private channel lacks its `$`, or a public one has it. E006: two settings declare the same name."""
    hints = {
        "instant.E005": "Begin the names of private channels with $, and no others. The $ makes the server require a "
        "token from every subscriber.",
        "instant.E006": "Declare the channel in one setting only.",
    }
    try:
        return [Error(fault.text, hint=hints[fault.check_id], id=fault.check_id) for fault in declared.faults()]
    except InvalidSetting:
        return []  # E001 reports it


def check_rules(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E030: a rule's pattern cannot be a channel's name, or has no namespace of plain text. E031: two rules have equal
    patterns.
    """
    hints = {
        "instant.E030": 'Write it as "$post:<int:pk>": a $ in front, then a namespace of two letters or more.',
        "instant.E031": "Keep one of them. If two rules match a channel, nobody can join it.",
    }
    return [Error(fault.text, hint=hints[fault.check_id], id=fault.check_id) for fault in rules.faults()]


def check_rows(app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W009: the admin and the settings have the same name at two levels. Runs only with `check --database default`."""
    if not databases or router.db_for_read(Channel) not in databases:
        return []
    try:
        return list(_of_rows())
    except (DatabaseError, InvalidSetting):
        return []  # as in the check of the outbox


def _of_rows() -> Iterator[CheckMessage]:
    of_settings = {channel.name: channel for channel in declared.declared()}
    rows = Channel.objects.filter(name__in=of_settings, is_active=True).order_by("name")
    for name, level in rows.values_list("name", "level"):
        own = of_settings[name]
        if own.level != level:
            yield checks.Warning(
                f"{own.setting} declares {name!r}, which has the level {level!r} in the admin. The setting takes "
                "precedence.",
                hint="Delete the channel in the admin, or remove it from the setting.",
                id="instant.W009",
            )
