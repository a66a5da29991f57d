"""Check settings: values of the wrong type, and a config that the server would refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corsheaders.conf import conf as cors
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from ..centrifugo import config
from ..channels import declared, tenants
from ..conf.settings import Settings, conf
from ..exceptions import InvalidSetting
from ..protocol import SENDER_HEADER

_CORRECT = "Correct it in Django's settings, or remove it: every setting of django-instant has a default."
_CORRECT_CONFIG = "Correct it in Django's settings. The server would refuse the config, or misread the option."


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_settings)
    checks.register(check_sender_header)
    checks.register(check_user_id)
    checks.register(check_tenant_context)


def check_settings(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E001: a setting of ours has a wrong value. E002: the server would refuse its config. W001: any origin may
    connect. W002: origins that cannot be passed to the server.
    """
    found: list[CheckMessage] = []
    for name in (name for name in vars(Settings) if name.isupper()):
        found += _errors("instant.E001", _CORRECT, lambda name=name: getattr(conf, name))  # type: ignore[misc]
    found = found or _errors("instant.E001", _CORRECT, _derived_settings)
    found = found or _errors("instant.E001", _CORRECT, declared.declared)
    found = found or _errors("instant.E001", _CORRECT, tenants.check)
    found = found or _errors("instant.E002", _CORRECT_CONFIG, config.render)
    if not found and "*" in config.allowed_origins():
        found.append(
            checks.Warning(
                "Pages of any site may connect to the websockets server.",
                hint="List the origins in CORS_ALLOWED_ORIGINS instead of CORS_ALLOW_ALL_ORIGINS, and the hosts in "
                "ALLOWED_HOSTS instead of '*'. Clients still need a token.",
                id="instant.W001",
            )
        )
    if getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ()):
        found.append(
            checks.Warning(
                "CORS_ALLOWED_ORIGIN_REGEXES cannot be passed to the websockets server.",
                hint="Add these origins to CSRF_TRUSTED_ORIGINS, which accepts 'https://*.example.org'.",
                id="instant.W002",
            )
        )
    return found


def _derived_settings() -> object:
    whole = conf.server_url, conf.api_key, conf.outbox_partitions
    rates = conf.rpc_rate, conf.token_rate, conf.user_connections
    return whole, conf.backend_url, conf.proxy_secret, conf.proxy_timeout, rates


def _errors(check_id: str, hint: str, read: Callable[[], object]) -> list[CheckMessage]:
    try:
        read()
    except InvalidSetting as error:
        return [Error(str(error), hint=hint, id=check_id)]
    return []


def check_sender_header(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W030: pages of other origins may not send the header that `publish(…, exclude=request)` needs."""
    origins = getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or getattr(settings, "CORS_ALLOWED_ORIGINS", ())
    origins = origins or getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ())
    if not origins or SENDER_HEADER.lower() in {str(name).lower() for name in cors.CORS_ALLOW_HEADERS}:
        return []
    return [
        checks.Warning(
            f"CORS_ALLOW_HEADERS lacks {SENDER_HEADER}. publish(…, exclude=request) cannot leave out pages of other "
            "origins.",
            hint="Add it: from corsheaders.defaults import default_headers; "
            f'CORS_ALLOW_HEADERS = [*default_headers, "{SENDER_HEADER.lower()}"]',
            id="instant.W030",
        )
    ]


def check_user_id(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W010: the server knows users by their names, which may be used again."""
    if getattr(settings, "INSTANT_USER_ID", "pk") != "username":
        return []
    return [
        checks.Warning(
            'INSTANT_USER_ID is "username". If another user gets the name of a deleted or renamed user, both have the '
            "same id on the server.",
            hint='Set INSTANT_USER_ID = "pk". Otherwise a saved connection token still connects under the name until '
            "it expires (INSTANT_TOKEN_TTL). Calls and sockets are refused immediately.",
            id="instant.W010",
        )
    ]


def check_tenant_context(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W012: work without a request of its tenant is refused."""
    try:
        tenants.check()
        if not conf.INSTANT_TENANT or tenants.is_fixed() or conf.INSTANT_TENANT_CONTEXT:
            return []
    except InvalidSetting:  # E001
        return []
    return [
        checks.Warning(
            "INSTANT_TENANT is a function, but INSTANT_TENANT_CONTEXT is not set. Calls from browsers, sockets and "
            "queued calls of all tenants are refused, and revocations are not repeated.",
            hint="Set INSTANT_TENANT_CONTEXT to the dotted path of a context manager that receives a tenant's name. "
            "Inside it, INSTANT_TENANT must return that name.",
            id="instant.W012",
        )
    ]
