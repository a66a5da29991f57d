"""Mask the secrets in Django's settings, so that error pages, mails to ADMINS and `diffsettings` do not show them.

Django hides settings by their names, but the names of addresses do not match. A project may also hide other names
(DEFAULT_EXCEPTION_REPORTER_FILTER). Therefore the values are masked: each remains the same text, with a different
`repr()`. Only values that hold a secret are changed.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from ..secret_text import Secret, SecretAddress
from .settings import Settings
from .validation import is_address, is_key


def mask() -> None:
    """Mask the current settings, and settings that a test overrides later. Called once, when the apps are ready."""
    for name in vars(Settings):
        _mask(name)
    setting_changed.connect(_changed, dispatch_uid="instant.hidden_settings")


def _changed(setting: str, **_: Any) -> None:
    _mask(setting)


def _mask(name: str) -> None:
    if not (name.isupper() and hasattr(Settings, name)):
        return
    value = getattr(settings, name, None)
    if not isinstance(value, str) or isinstance(value, Secret):
        return
    if is_key(name):
        setattr(settings, name, Secret(value))
    elif is_address(name) and repr(SecretAddress(value)) != repr(value):
        setattr(settings, name, SecretAddress(value))
