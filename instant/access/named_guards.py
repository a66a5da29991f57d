"""Converts permissions to names and back, so that every process finds the same guard.

The signed window of a page and the tokens of its topics contain such a name, so that Django can call the guard again.
"""

from __future__ import annotations

import logging
from functools import reduce
from importlib import import_module
from typing import Any

from ..in_savepoints import in_savepoints
from ..user_callables import awaited, is_true
from . import guards
from .guards import Guard, guard_of

logger = logging.getLogger("instant")

#: Separates the module of a function from its name. In a Django permission this character does not occur before the
#: dot.
_BOUNDARY = ":"
#: The prefix of a Django permission.
_PERMISSION = f"has_perm{_BOUNDARY}"


def name_of(permission: object) -> str:
    """Return the name of a permission: "has_perm:app.codename", "is_staff", or "module:function".

    Raises:
        TypeError: the value is not a permission, or another process could not import it by a name. This is so for a
            lambda, a nested function, and a method of an object.
    """
    guard = guard_of(permission)
    if guard.codename:
        return _PERMISSION + guard.codename
    if getattr(guards, repr(guard), None) is guard:
        return repr(guard)
    module = getattr(permission, "__module__", "")
    name = f"{module}{_BOUNDARY}{getattr(permission, '__qualname__', '')}"
    try:
        is_found = module != "__main__" and _found(name) == permission
    except (ImportError, AttributeError, ValueError):
        is_found = False
    if not is_found:
        raise TypeError(
            f"{permission!r} cannot be found by a name; use a function of the user, defined with `def` in a module"
        )
    return name


def guard_named(name: str) -> Guard:
    """Return the guard of a name that `name_of` returned.

    Raises:
        ImportError, AttributeError, ValueError, TypeError: the guard no longer exists.
    """
    if name.startswith(_PERMISSION):
        return guards.has_perm(name.removeprefix(_PERMISSION))
    return guard_of(_found(name) if _BOUNDARY in name else getattr(guards, name))


def is_allowed(name: str, user: Any) -> bool:
    """Report whether the guard of this name allows `user`.

    A guard that no longer exists or raises an exception denies access, and the error is logged.
    """
    try:
        guard = guard_named(name)
        with in_savepoints():
            return is_true(awaited(guard.allows(user)))
    except Exception:
        logger.exception("the guard %r of a page's topics failed, so access is denied", name)
        return False


def _found(name: str) -> Any:
    module, _, path = name.partition(_BOUNDARY)
    return reduce(getattr, path.split("."), import_module(module))
