"""Resolve INSTANT_TENANT and INSTANT_TENANT_CONTEXT: a text, a callable, or the dotted path of a callable."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string

from ..exceptions import InvalidSetting

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FORM = "1 to 64 characters of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"


def is_name(value: object) -> bool:
    """Report whether a tenant can have this name."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_text(setting: object) -> bool:
    """Report whether INSTANT_TENANT is the name itself. A text with a dot is the path of a function."""
    return isinstance(setting, str) and "." not in setting


def tenant(setting: Any) -> str:
    """Return the tenant that INSTANT_TENANT names in this thread or task.

    Raises:
        InvalidSetting: it names no tenant. Nothing is sent without a tenant.
    """
    if is_text(setting):
        how, found = "is", setting
    else:
        how, found = "returned", called("INSTANT_TENANT", setting)()
    if not is_name(found):
        raise InvalidSetting(f"INSTANT_TENANT {how} {found!r}; it must be the name of a tenant: {_FORM}.")
    name: str = found
    return name


def called(name: str, setting: Any) -> Callable[..., Any]:
    """Return the callable of a setting.

    Raises:
        InvalidSetting: the path cannot be imported, or names something that cannot be called.
    """
    found = _imported(name, setting) if isinstance(setting, str) else setting
    if not callable(found):
        raise InvalidSetting(f"{name} is {setting!r}; it must be the dotted path of a callable.")
    function: Callable[..., Any] = found
    return function


@lru_cache(maxsize=16)
def _imported(name: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise InvalidSetting(f"{name} is {path!r}, which cannot be imported: {error}") from error
