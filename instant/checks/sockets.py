"""Check socket handlers that cannot be found, and a worker that cannot run."""

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
    """E050: a setting names no handler. W050: there are handlers, but gRPC is not installed."""
    try:
        if not registry.registered() or find_spec("grpc"):
            return []
    except InvalidSetting as error:
        hint = "Map a name of letters, digits, _ - and . to the dotted path of a WebSocketHandler."
        return [checks.Error(str(error), hint=hint, id="instant.E050")]
    return [
        checks.Warning(
            "There are socket handlers, but gRPC is not installed. `manage.py run_wsserver` cannot serve them.",
            hint="Run `pip install django-instant[sockets]`.",
            id="instant.W050",
        )
    ]


def check_addresses(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E051: an address or a number for sockets is wrong."""
    try:
        if not stream_config.is_used():
            return []
        conf.sockets_limit, conf.sockets_url, conf.sockets_bridge  # noqa: B018
    except InvalidSetting as error:
        hint = "Correct it, or remove it: the defaults fit those of `manage.py run_wsserver`."
        return [checks.Error(str(error), hint=hint, id="instant.E051")]
    return []
