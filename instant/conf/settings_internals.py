"""Read Django's settings fast. The one module that knows `settings._wrapped`, which is private to Django.

Tried with Django 4.2 to 6.0; `tests/test_private_api.py` names them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.functional import empty

#: `settings` keeps here what it wraps. Asking `settings` itself, or for its attribute, takes six times as long.
_attributes: dict[str, Any] = vars(settings)


def read(name: str, default: Any) -> Any:
    """Return the value of a setting now, also inside `override_settings`, or `default` where it is not set."""
    wrapped = _attributes["_wrapped"]
    return getattr(settings if wrapped is empty else wrapped, name, default)
