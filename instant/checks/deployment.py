"""What `manage.py check --deploy` adds: keys of their own, and encrypted connections."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage

from ..conf.settings import conf


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_deployment, deploy=True)


def check_deployment(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
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
