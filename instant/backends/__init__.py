"""Where messages go: a backend is an alias, a class and one promise, `send(messages) -> receipts`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from django.utils.module_loading import import_string

from ..conf.settings import conf
from ..exceptions import InvalidBackend, InvalidSetting
from .base import BaseBackend

#: The names that INSTANT_BROADCAST_WITH takes besides dotted paths.
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
    """Return the backend that INSTANT_BROADCAST_WITH names, made on first use.

    Raises:
        InvalidBackend: it is neither an alias nor the dotted path of a BaseBackend.
    """
    return _standing_in[-1] if _standing_in else made(conf.INSTANT_BROADCAST_WITH)


def preload() -> None:
    """Import the backend of the settings, if it can be: else the first request that publishes would pay for that."""
    with suppress(ImportError, InvalidSetting):
        import_string(ALIASES.get(conf.INSTANT_BROADCAST_WITH, conf.INSTANT_BROADCAST_WITH))


@contextmanager
def standing_in(backend: BaseBackend) -> Iterator[None]:
    """Let `backend` take all messages while the block runs, in all threads: for tests.

    An override_settings would do, but that of a pytest fixture stays for good where another is still open at its end.
    """
    _standing_in.append(backend)
    try:
        yield
    finally:
        _standing_in.remove(backend)


@cache
def made(name: str) -> BaseBackend:
    """Return the one backend of this name or dotted path.

    Raises:
        InvalidBackend: it is neither an alias nor the dotted path of a BaseBackend.
    """
    path = ALIASES.get(name, name)
    try:
        backend = import_string(path)()
    except (ImportError, TypeError) as error:
        raise InvalidBackend(
            f"INSTANT_BROADCAST_WITH is {name!r}; it must be one of {', '.join(ALIASES)}, or the dotted path of a "
            f"backend class ({error})"
        ) from error
    if not isinstance(backend, BaseBackend):
        raise InvalidBackend(f"INSTANT_BROADCAST_WITH is {name!r}, which is no instant.backends.BaseBackend")
    return backend
