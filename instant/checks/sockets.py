"""manage.py check: handlers that cannot be found, and a worker that cannot run."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage

from ..centrifugo import stream_config
from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..sockets import registry


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_handlers)
    checks.register(check_addresses)


def check_handlers(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E050: a setting names no handler. W050: there are handlers, and the worker lacks gRPC."""
    try:
        if not registry.registered() or find_spec("grpc"):
            return []
    except InvalidSetting as error:
        hint = "Name a WebSocketHandler by its dotted path, under a name of letters, digits, _ - and ."
        return [checks.Error(str(error), hint=hint, id="instant.E050")]
    return [
        checks.Warning(
            "Sockets have handlers, and gRPC is not installed: `manage.py run_wsserver` cannot serve them.",
            hint="pip install django-instant[sockets]",
            id="instant.W050",
        )
    ]


def check_addresses(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E051: an address or a number of sockets is wrong."""
    try:
        if not stream_config.is_used():
            return []
        conf.sockets_limit, conf.sockets_url, conf.sockets_bridge  # noqa: B018
    except InvalidSetting as error:
        hint = "Correct it, or leave it out: the defaults are those of `manage.py run_wsserver`."
        return [checks.Error(str(error), hint=hint, id="instant.E051")]
    return []
