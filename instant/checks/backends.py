"""Check the backend that INSTANT_BROADCAST_WITH names."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error

from ..backends import ALIASES, get_backend
from ..exceptions import InvalidBackend, InvalidSetting


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_backend)


def check_backend(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E003: INSTANT_BROADCAST_WITH names no backend. Also the messages of the backend's own check."""
    try:
        return get_backend().check()
    except InvalidBackend as error:
        hint = f"Set it to one of {', '.join(ALIASES)}, or to the dotted path of a BaseBackend."
        return [Error(str(error), hint=hint, id="instant.E003")]
    except InvalidSetting:
        return []  # E001 reports it
