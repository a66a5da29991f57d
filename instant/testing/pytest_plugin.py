"""Fixtures for pytest, there wherever django-instant is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .published import Published


@pytest.fixture
def published(request: pytest.FixtureRequest) -> Iterator[Published]:
    """What the test publishes, in order, on-commit work included; see `instant.testing.capture_published`."""
    from .published import capture_published

    for database in ("transactional_db", "db"):  # the test's transaction first, so that its commits are ours
        if database in request.fixturenames:
            request.getfixturevalue(database)
    with capture_published() as messages:
        yield messages
