from __future__ import annotations

import pytest
from django.core import checks as django_checks
from pytest_django import Settings

from instant.checks import windows
from instant.testing.signals import SignalQueue  # noqa: F401 - a project's tests are no use of queues
from instant.windows import queues, signal


def ids(found) -> list[str]:
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_they_are_registered() -> None:
    assert {windows.check_signals, windows.check_settings} <= set(django_checks.registry.registry.get_checks())


def test_good_signals() -> None:
    signal("a")(lambda window_info, **kwargs: None)
    assert windows.check_signals(None) == []
    assert windows.check_settings(None) == []


def test_an_annotation_that_cannot_be_read() -> None:
    @signal("a")
    def function(window_info, n: Nowhere): ...  # noqa: F821

    (found,) = windows.check_signals(None)
    assert found.id == "instant.E040"
    assert "'n'" in found.msg
    assert "test_checks.py" in found.msg


def test_a_queue_without_celery(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(queues, "has_celery", lambda: False)
    monkeypatch.setattr(windows, "has_celery", lambda: False)
    signal("a", queue="slow")(lambda window_info: None)
    assert ids(windows.check_signals(None)) == ["instant.E041"]
    settings.DEBUG = True
    assert windows.check_signals(None) == []


def test_celery_without_a_broker() -> None:
    pytest.importorskip("celery", reason="Celery is not installed")
    signal("a", queue="slow")(lambda window_info: None)
    assert ids(windows.check_signals(None)) == ["instant.W040"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INSTANT_SIGNAL_ENCODER", "nowhere.Encoder"),
        ("WEBSOCKET_TOPIC_SERIALIZER", "nowhere"),
        ("INSTANT_WINDOW_INFO_MIDDLEWARES", ["nowhere.Middleware"]),
        ("INSTANT_WINDOW_INFO_MIDDLEWARES", "a.path"),
        ("WINDOW_INFO_MIDDLEWARES", [5]),
        ("INSTANT_MAX_TOPICS", 0),
        ("INSTANT_MAX_TOPICS", 1001),
        ("INSTANT_MAX_TOPICS", "many"),
    ],
)
def test_settings(settings: Settings, name: str, value) -> None:
    setattr(settings, name, value)
    found = windows.check_settings(None)
    assert ids(found) == ["instant.E042"]
    assert name.partition("_")[2] in found[0].msg
