"""What the features in use need of the websockets server: the config and the names of channels ask here.

A feature says so itself, when a project first touches it; a site without it is not changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: The feature of `instant.windows`: calls from browsers (the server's rpc), and the channels of pages.
WINDOWS: Final = "windows"

#: The feature of `instant.sockets`: streams of the server, in a namespace that no channel can be in.
SOCKETS: Final = "sockets"

#: The namespace of the channels of pages; where windows are in use, no channel of a site may be in it.
PAGES_NAMESPACE: Final = "page"
#: A channel lives as long as a page is loaded from it: the server must not remember each for a month.
_PAGES: Mapping[str, Any] = {"history_size": 20, "history_ttl": "60s", "history_meta_ttl": "600s"}

_used: set[str] = set()


def use(feature: str) -> None:
    """Say that the project uses `feature`; to be called while its apps are loaded, so that runws hears of it too."""
    _used.add(feature)


def uses_windows() -> bool:
    """Tell whether the project declares signals, or gives its pages topics."""
    return WINDOWS in _used


def uses_sockets() -> bool:
    """Tell whether the project has a handler that says `@socket`; settings may name others."""
    return SOCKETS in _used


def namespaces() -> Mapping[str, Mapping[str, Any]]:
    """Return the namespaces that the features in use need, with their options."""
    return {PAGES_NAMESPACE: _PAGES} if uses_windows() else {}
