"""manage.py check: what is wrong, or soon will be, each with a hint. Ids are never used twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from corsheaders.conf import conf as cors
from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import Error as DatabaseError
from django.db import router

from . import declared, outbox, rules
from .backends import ALIASES, get_backend
from .centrifugo import config, consumer
from .conf import Settings, conf
from .exceptions import InvalidBackend, InvalidSetting
from .models import Channel
from .protocol import SENDER_HEADER

_CORRECT = "Correct it in Django's settings, or remove it there: every setting of django-instant has a default."
_CORRECT_CONFIG = "Correct it in Django's settings: the server would refuse its config, or take it for something else."

#: Seconds after which a message in the outbox is late.
_LATE = 60

Apps = Sequence[AppConfig] | None


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_settings)
    checks.register(check_backend)
    checks.register(check_namespaces)
    checks.register(check_declared)
    checks.register(check_rules)
    checks.register(check_sender_header)
    checks.register(check_deployment, deploy=True)
    checks.register(check_outbox, checks.Tags.database)
    checks.register(check_rows, checks.Tags.database)


def check_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: a setting of ours has a wrong value. E002: a config that the server would refuse. W001: any origin may
    connect. W002: origins that the server cannot be told of."""
    found: list[CheckMessage] = []
    for name in (name for name in vars(Settings) if name.isupper()):
        found += _errors("instant.E001", _CORRECT, lambda name=name: getattr(conf, name))  # type: ignore[misc]
    found = found or _errors("instant.E001", _CORRECT, _derived_settings)
    found = found or _errors("instant.E001", _CORRECT, declared.declared)
    found = found or _errors("instant.E002", _CORRECT_CONFIG, config.render)
    if not found and "*" in config.allowed_origins():
        found.append(
            checks.Warning(
                "Pages of any site may connect to the websockets server.",
                hint="Name the origins in CORS_ALLOWED_ORIGINS instead of CORS_ALLOW_ALL_ORIGINS, and the hosts in "
                "ALLOWED_HOSTS instead of '*'. Tokens are still asked for.",
                id="instant.W001",
            )
        )
    if getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ()):
        found.append(
            checks.Warning(
                "CORS_ALLOWED_ORIGIN_REGEXES cannot be handed on to the websockets server.",
                hint="Add these origins to CSRF_TRUSTED_ORIGINS, which takes 'https://*.example.org'.",
                id="instant.W002",
            )
        )
    return found


def _derived_settings() -> object:
    whole = conf.server_url, conf.api_key, conf.outbox_partitions
    return whole, conf.backend_url, conf.proxy_secret, conf.proxy_timeout, conf.rpc_rate


def _errors(check_id: str, hint: str, read: Callable[[], object]) -> list[CheckMessage]:
    try:
        read()
    except InvalidSetting as error:
        return [Error(str(error), hint=hint, id=check_id)]
    return []


def check_backend(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E003: INSTANT_BROADCAST_WITH names no backend; and what the backend itself says."""
    try:
        return get_backend().check()
    except InvalidBackend as error:
        hint = f"Set it to one of {', '.join(ALIASES)}, or to the dotted path of a BaseBackend."
        return [Error(str(error), hint=hint, id="instant.E003")]
    except InvalidSetting:
        return []  # E001 says it


def check_namespaces(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W003: a namespace lets clients in, or lets them publish, without asking Django."""
    try:
        return list(_opened())
    except InvalidSetting:
        return []


def _opened() -> Iterator[CheckMessage]:
    for name, options in conf.INSTANT_NAMESPACES.items():
        opened = sorted(key for key in options if key.startswith(("allow_subscribe", "allow_publish")) and options[key])
        if opened:
            yield checks.Warning(
                f"INSTANT_NAMESPACES[{name!r}] sets {', '.join(opened)}: clients use them without asking Django.",
                hint="Remove it: every channel is joined by a token from Django, public ones too.",
                id="instant.W003",
            )


def check_declared(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E005: a private channel without its `$`, or a public one with it. E006: two settings declare one name."""
    hints = {
        "instant.E005": "Put the $ at the very front of names that are private, and nowhere else: it keeps the server "
        "from letting anybody in without a token.",
        "instant.E006": "Declare it in one of them, under one level.",
    }
    try:
        return [Error(fault.text, hint=hints[fault.check_id], id=fault.check_id) for fault in declared.faults()]
    except InvalidSetting:
        return []  # E001 says it


def check_rules(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E030: a rule's pattern cannot be a channel's name, or has no namespace that the server could be told of. E031:
    two rules have equal patterns."""
    hints = {
        "instant.E030": 'Write it as "$post:<int:pk>": a $ at the very front, and a namespace of two letters or more.',
        "instant.E031": "Keep one of them: where two rules match, nobody joins.",
    }
    return [Error(fault.text, hint=hints[fault.check_id], id=fault.check_id) for fault in rules.faults()]


def check_sender_header(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W030: pages of other origins may not send the header by which `publish(…, exclude=request)` knows them."""
    origins = getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or getattr(settings, "CORS_ALLOWED_ORIGINS", ())
    origins = origins or getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ())
    if not origins or SENDER_HEADER.lower() in {str(name).lower() for name in cors.CORS_ALLOW_HEADERS}:
        return []
    return [
        checks.Warning(
            f"CORS_ALLOW_HEADERS lacks {SENDER_HEADER}: publish(…, exclude=request) cannot leave out pages of other "
            "origins.",
            hint="from corsheaders.defaults import default_headers; "
            f'CORS_ALLOW_HEADERS = [*default_headers, "{SENDER_HEADER.lower()}"]',
            id="instant.W030",
        )
    ]


def check_rows(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W009: the admin and the settings have one name at two levels; found with `check --database default` only."""
    if router.db_for_read(Channel) not in (databases or ()):
        return []
    try:
        return list(_of_rows())
    except (DatabaseError, InvalidSetting):
        return []  # as of the outbox


def _of_rows() -> Iterator[CheckMessage]:
    of_settings = {channel.name: channel for channel in declared.declared()}
    rows = Channel.objects.filter(name__in=of_settings, is_active=True).order_by("name")
    for name, level in rows.values_list("name", "level"):
        own = of_settings[name]
        if own.level != level:
            yield checks.Warning(
                f"{own.setting} declares {name!r}, which the admin has at level {level!r}; only the setting counts.",
                hint="Delete the channel in the admin, or take it out of the setting.",
                id="instant.W009",
            )


def check_deployment(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """W004: keys derived from SECRET_KEY. W005: tokens that travel without TLS."""
    found: list[CheckMessage] = []
    if not (conf.CENTRIFUGO_HMAC_KEY or conf.CENTRIFUGO_SECRET_KEY) or not conf.CENTRIFUGO_API_KEY:
        found.append(
            checks.Warning(
                "CENTRIFUGO_HMAC_KEY and CENTRIFUGO_API_KEY are derived from SECRET_KEY.",
                hint="Set both to random values of their own, so that each can be changed without the others.",
                id="instant.W004",
            )
        )
    if (conf.INSTANT_WEBSOCKET_URL or "").startswith("ws://"):
        found.append(
            checks.Warning(
                "INSTANT_WEBSOCKET_URL is not encrypted.",
                hint="Use wss://, with a proxy in front of the server.",
                id="instant.W005",
            )
        )
    return found


def check_outbox(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W006: messages wait, and nobody delivers them. W007: messages that nobody will ever deliver. W008: the server is
    not woken by the database. All are found with `check --database default` only."""
    if consumer.database() not in (databases or ()):
        return []
    try:
        return list(_of_outbox(outbox.backlog()))
    except (DatabaseError, InvalidSetting):
        return []  # not migrated yet, which `migrate` itself would hear of; E001 says the other


def _of_outbox(found: outbox.Backlog) -> Iterator[CheckMessage]:
    if found.rows > found.unread and found.oldest > _LATE:
        who = "Centrifugo, started by `runws` with these settings" if consumer.is_used() else "`manage.py relayoutbox`"
        yield checks.Warning(
            f"{found.rows} messages are in the outbox, the oldest for {found.oldest:.0f} seconds.",
            hint=f"Look whether what delivers them is running: {who}.",
            id="instant.W006",
        )
    if found.unread:
        yield checks.Warning(
            f"{found.unread} messages are in partitions of the outbox that nobody reads.",
            hint="The server refused those of partition -1, the relay's log says why: correct the cause and update() "
            "their partition to 0, or delete them. The others were written when INSTANT_OUTBOX_PARTITIONS was larger: "
            "`manage.py relayoutbox --once --force` delivers them.",
            id="instant.W007",
        )
    if consumer.is_used() and not outbox.is_announced():
        yield checks.Warning(
            "The database has no trigger that tells the server of new messages: each waits for the server's next look.",
            hint="Make it again: `manage.py migrate instant 0004`, then `manage.py migrate`, when the outbox is empty.",
            id="instant.W008",
        )
