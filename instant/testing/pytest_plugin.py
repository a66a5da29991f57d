"""pytest fixtures, available wherever django-instant is installed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..windows.window_info import WindowInfo
    from .capture import Published
    from .signals import SignalQueue


@pytest.fixture
def published(request: pytest.FixtureRequest) -> Iterator[Published]:
    """The messages that the test publishes, on-commit work included; see `instant.testing.capture_published`."""
    from .capture import capture_published

    _open_database(request)
    with capture_published() as messages:
        yield messages


@pytest.fixture
def signal_queue(request: pytest.FixtureRequest) -> Iterator[SignalQueue]:
    """The signals that the test triggers, on-commit work included; see `instant.windows.testing.SignalQueue`."""
    from .signals import SignalQueue

    _open_database(request)
    with SignalQueue() as queue:
        yield queue


@pytest.fixture
def window_info() -> WindowInfo:
    """The window of a visitor. Assign `window_info.user = user` to log in a user."""
    from ..windows import WindowInfo

    return WindowInfo(window_key=uuid.uuid4().hex)


def _open_database(request: pytest.FixtureRequest) -> None:
    """Start the test's transaction before the capture begins, so that the capture can run its on-commit work."""
    for database in ("transactional_db", "db"):
        if database in request.fixturenames:
            request.getfixturevalue(database)
