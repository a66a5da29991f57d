from __future__ import annotations

from collections.abc import Iterator

import pytest

from instant import features
from instant.windows import recording, registry


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site that uses windows, with the signals that the test itself connects."""
    monkeypatch.setattr(features, "_used", {features.WINDOWS})
    monkeypatch.setattr(registry, "_connections", {})
    yield
    assert recording.recorder() is None
