from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django import Settings

import instant.windows
from instant import features
from instant.windows import discovery, registry
from tests.features import work_out_features

SOURCE = "from instant.windows import signal\n@signal('found.{0}')\ndef {0}(window_info): ...\n"


def test_both_modules_of_each_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tmp_path / "found_app"
    app.mkdir()
    (app / "__init__.py").touch()
    for name in ("windows", "signals"):
        (app / f"{name}.py").write_text(SOURCE.format(name))
    monkeypatch.syspath_prepend(str(tmp_path))
    with override_settings(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "instant", "found_app"]
    ):
        discovery.autodiscover()
        discovery.autodiscover()
    assert [connection.path for connection in registry.registered()] == ["found.windows", "found.signals"]
    for name in ("found_app", "found_app.windows", "found_app.signals"):
        del sys.modules[name]


def test_windows_are_in_use_where_a_signal_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_connections", {})
    work_out_features(monkeypatch)
    discovery.autodiscover()
    assert instant.windows.trigger
    assert not features.in_use().windows, "an attribute changes nothing"

    registry.signal("found.late")(lambda window_info: None)
    assert not features.in_use().windows, "worked out once"
    work_out_features(monkeypatch)
    assert features.in_use().windows


def test_a_site_without_signals_may_ask_for_windows(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(registry, "_connections", {})
    settings.INSTANT_WINDOWS = True
    work_out_features(monkeypatch)
    assert features.in_use().windows


def test_all_public_names_are_there() -> None:
    for name in instant.windows.__all__:
        assert getattr(instant.windows, name) is not None
    assert set(instant.windows.__all__) <= set(dir(instant.windows))
    with pytest.raises(AttributeError, match="nothing"):
        instant.windows.nothing  # noqa: B018
