"""Keys of windows, and channels of topics. Other users may see a key: it does not authenticate anybody."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.http import HttpRequest

from ..keyed_hash import keyed
from ..protocol import PAGES_NAMESPACE, PRIVATE_PREFIX


def bare(request: Any) -> Any:
    """Return Django's own request. Django REST framework wraps it."""
    return getattr(request, "_request", request)


def began(request: HttpRequest) -> float:
    """Return the time of the first call for `request`, in seconds since 1970. The middleware calls it when a request
    begins.
    """
    inner = bare(request)
    at: float | None = getattr(inner, "instant_began", None)
    if at is None:
        at = inner.instant_began = int(time.time() * 1000) / 1000
    return at


def window_key(request: HttpRequest) -> str:
    """Return the key of the window that shows the response to `request`. The key is created at first use."""
    inner = bare(request)
    key: str | None = getattr(inner, "instant_window_key", None)
    if key is None:
        key = inner.instant_window_key = uuid.uuid4().hex
    return key


def channel_named(name: str) -> str:
    """Return the channel of a topic, from the topic's serialized name."""
    return f"{PRIVATE_PREFIX}{PAGES_NAMESPACE}:{keyed('topic', name)}"
