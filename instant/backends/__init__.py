"""Backends send messages. A backend has an alias and a class with one method, `send(messages) -> receipts`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from django.utils.module_loading import import_string

from ..conf.settings import conf
from ..exceptions import InvalidBackend, InvalidSetting
from .base import BaseBackend

#: The values of INSTANT_BROADCAST_WITH that are not dotted paths.
ALIASES = {
    "python": "instant.backends.python.PythonBackend",
    "outbox": "instant.backends.outbox.OutboxBackend",
    "thread": "instant.backends.thread.ThreadBackend",
    "go": "instant.backends.go.GoBackend",
    "console": "instant.backends.console.ConsoleBackend",
    "memory": "instant.backends.memory.MemoryBackend",
}

__all__ = ["ALIASES", "BaseBackend", "get_backend", "standing_in"]

_standing_in: list[BaseBackend] = []


def get_backend() -> BaseBackend:
    """Return the backend of INSTANT_BROADCAST_WITH. It is created at first use.

    Raises:
        InvalidBackend: the setting is neither an alias nor the dotted path of a BaseBackend.
    """
    return _standing_in[-1] if _standing_in else made(conf.INSTANT_BROADCAST_WITH)


def preload() -> None:
    """Import the backend of the settings if possible, so that the first publish of a request does not have to."""
    with suppress(ImportError, InvalidSetting):
        import_string(ALIASES.get(conf.INSTANT_BROADCAST_WITH, conf.INSTANT_BROADCAST_WITH))


@contextmanager
def standing_in(backend: BaseBackend) -> Iterator[None]:
    """Send all messages to `backend` while the block runs, in all threads. This is for tests.

    override_settings is not used because of nested pytest fixtures: if they end out of order, a setting would stay
    changed.
    """
    _standing_in.append(backend)
    try:
        yield
    finally:
        _standing_in.remove(backend)


@cache
def made(name: str) -> BaseBackend:
    """Return the backend with this alias or dotted path. There is one instance for each.

    Raises:
        InvalidBackend: `name` is neither an alias nor the dotted path of a BaseBackend.
    """
    path = ALIASES.get(name, name)
    try:
        backend = import_string(path)()
    except (ImportError, TypeError) as error:
        raise InvalidBackend(
            f"INSTANT_BROADCAST_WITH is {name!r}; it must be one of {', '.join(ALIASES)}, or the dotted path of a "
            f"backend class ({str(error).rstrip('.')})."
        ) from error
    if not isinstance(backend, BaseBackend):
        raise InvalidBackend(f"INSTANT_BROADCAST_WITH is {name!r}, which is not an instant.backends.BaseBackend.")
    return backend
