"""Read Django's settings quickly. The only module that uses `settings._wrapped`, which is private to Django.

Tested with Django 4.2 to 6.0; `tests/test_private_api.py` checks it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.functional import empty

#: The attributes of `settings`, which hold the wrapped object. Reading through `settings` takes six times as long.
_attributes: dict[str, Any] = vars(settings)


def read(name: str, default: Any) -> Any:
    """Return the current value of a setting, also inside `override_settings`, or `default` if it is not set."""
    wrapped = _attributes["_wrapped"]
    return getattr(settings if wrapped is empty else wrapped, name, default)
