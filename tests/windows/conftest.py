from __future__ import annotations

from collections.abc import Iterator

import pytest

from instant.windows import recorder, registry
from tests.features import use_features


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site that uses windows, with the signals that the test itself connects."""
    use_features(monkeypatch, windows=True)
    monkeypatch.setattr(registry, "_connections", {})
    yield
    assert recorder.recorder() is None
