from __future__ import annotations

import pytest

from instant import revocation


@pytest.fixture(autouse=True)
def no_repeating(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread repeats revocations behind a test's back, but where the test is about it."""
    if "repeating" not in request.keywords:
        monkeypatch.setattr(revocation._repeater, "start", lambda: None)
