"""Which features a test's project uses, whatever other tests have registered."""

from __future__ import annotations

import pytest
from django.apps import apps

from instant.features import Features


def use_features(monkeypatch: pytest.MonkeyPatch, *, windows: bool = False, sockets: bool = False) -> None:
    """Let the project use just these features until the test ends."""
    monkeypatch.setattr(apps.get_app_config("instant"), "_features", Features(windows, sockets))


def work_out_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the features be worked out anew from what is registered now."""
    monkeypatch.setattr(apps.get_app_config("instant"), "_features", None)
