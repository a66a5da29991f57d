from __future__ import annotations

from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
