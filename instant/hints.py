"""Whether the value of a setting is of the type that its annotation says, and how the type is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin


def fits(value: object, hint: Any) -> bool:
    """Tell whether `value` is of the type `hint`; True is no number, and an int is a float."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is Mapping:
        return isinstance(value, Mapping) and _fit(value, *get_args(hint))
    if origin is not None:
        return any(fits(value, choice) for choice in get_args(hint))
    if hint in (int, float):
        numbers = (int, float) if hint is float else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    return hint is Any or isinstance(value, hint)


def _fit(items: Mapping[Any, Any], key_hint: Any, item_hint: Any) -> bool:
    return all(fits(key, key_hint) and fits(item, item_hint) for key, item in items.items())


def described(hint: Any) -> str:
    """Return the type `hint` in words."""
    if get_origin(hint) is Literal:
        return " or ".join(repr(choice) for choice in get_args(hint))
    if get_origin(hint) is Mapping:
        item_hint = get_args(hint)[1]
        inner = "" if item_hint is Any else f", of a name to {described(item_hint)}"
        return f"a mapping{inner}"
    if get_origin(hint) is not None:
        return " or ".join(described(choice) for choice in get_args(hint))
    return "None" if hint is type(None) else f"of type {hint.__name__}"
