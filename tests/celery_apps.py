"""A Celery app of this process, which leaves nothing behind: other tests find the app that was there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def project(broker: str) -> Iterator[Any]:
    """The Celery app of this process, which is the web's, while the block runs."""
    import celery
    from celery import _state as state

    current, default = state._tls.current_app, state.default_app
    # With Django's settings there, the first app makes itself the default one, for good.
    app = celery.Celery("web", broker=broker, set_as_current=False)
    app.set_current()
    try:
        yield app
    finally:
        state._tls.current_app = current
        state.set_default_app(default)
        app.close()
