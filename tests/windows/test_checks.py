from __future__ import annotations

import io
import re

import pytest
from django.core import checks as django_checks
from django.core.management import call_command
from pytest_django import Settings

from instant.checks import windows
from instant.testing.signals import SignalQueue  # noqa: F401 - a project's tests are no use of queues
from instant.windows import has_perm, is_staff, queues, signal


def ids(found) -> list[str]:
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_they_are_registered() -> None:
    assert {windows.check_signals, windows.check_settings} <= set(django_checks.registry.registry.get_checks())


def test_good_signals() -> None:
    signal("a")(lambda window_info, **kwargs: None)
    assert windows.check_signals(None) == []
    assert windows.check_settings(None) == []


class TestList:
    """`manage.py check --tag instant_signals` lists what browsers may call."""

    @pytest.fixture(autouse=True)
    def signals(self) -> None:
        signal("b.staff", is_staff)(lambda window_info: None)
        signal("a.view", has_perm("blog.view_post"))(lambda window_info: None)
        signal("a.own", lambda signal, window_info, kwargs: True, queue="slow")(lambda window_info: None)
        signal("internal.purge")(lambda window_info: None)

    def listed(self, *arguments: str) -> list[str]:
        out = io.StringIO()
        call_command("check", *arguments, stdout=out, stderr=out)
        return [line for line in out.getvalue().splitlines() if "Browsers may call" in line]

    @pytest.mark.parametrize("arguments", [["--tag", windows.TAG], ["-t", "models", "-t", windows.TAG, "--deploy"]])
    def test_it_has_each_signal_with_its_guard_and_function(self, arguments: list[str]) -> None:
        own, view, staff = self.listed(*arguments)
        assert "(instant.I040) Browsers may call 'a.own' of tests.windows.test_checks.TestList" in own
        assert "Guard: tests.windows.test_checks.TestList.signals.<locals>.<lambda> (" in own
        assert re.search(r"'a\.view' of .*test_checks\.py:\d+\)\. Guard: has_perm\('blog\.view_post'\)\.$", view)
        assert re.search(r"'b\.staff' of .*\. Guard: is_staff\.$", staff)

    @pytest.mark.parametrize("arguments", [[], ["--deploy"], ["--tag", "models"], ["instant"]])
    def test_other_checks_do_not_print_it(self, arguments: list[str]) -> None:
        assert self.listed(*arguments) == []

    def test_django_names_the_tag(self) -> None:
        out = io.StringIO()
        call_command("check", "--list-tags", stdout=out)
        assert windows.TAG in out.getvalue().split()

    def test_run_checks(self) -> None:
        """The argument's name is what the check relies on: see `_tags_asked_for`."""
        assert {message.id for message in django_checks.run_checks(tags=[windows.TAG])} == {"instant.I040"}
        assert "instant.I040" not in {message.id for message in django_checks.run_checks()}
        assert windows.list_signals(None) == []


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
