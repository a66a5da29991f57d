"""A fixture for tests that define event classes: it unregisters them after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from instant.events import hooks, registered


@pytest.fixture(autouse=True)
def no_events_left() -> Iterator[None]:
    """Unregister the event classes and hooks that the test registered."""
    before = registered()
    yield
    for event in registered():
        if event not in before:
            type(event).unregister()
    hooks._hooks.clear()
