"""Calls from browsers: answers, and what is never told."""

from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from pytest_django import Settings

from instant.testing.signals import SignalQueue
from instant.windows import Deny, Disconnect, WindowInfo, everyone, is_staff, queues, signal
from instant.windows.dispatch import Queued, Value, call

INFO = WindowInfo(window_key="w")


def denied(name: str, opts=None, info: WindowInfo = INFO) -> tuple[int, str]:
    with pytest.raises(Deny) as caught:
        call(name, opts, info)
    return caught.value.code, caught.value.reason


def test_the_value_of_one_function() -> None:
    signal("a", everyone)(
        lambda window_info, n: {"day": datetime.date(2026, 11, 21), "n": n, "w": window_info.window_key}
    )
    assert call("a", {"n": 1}, INFO) == Value({"day": "2026-11-21", "n": 1, "w": "w"})


def test_an_async_function() -> None:
    @signal("a", everyone)
    async def function(window_info):
        return 1

    assert call("a", None, INFO) == Value(1)


def test_nobody_is_connected() -> None:
    assert denied("nowhere") == (404, "there is no such signal")


@pytest.mark.parametrize("opts", [[], "x", 5, [["n", 1]]])
def test_arguments_are_an_object(opts) -> None:
    signal("a", everyone)(lambda window_info, **kwargs: 1)
    assert denied("a", opts) == (400, "the arguments must be an object")


def test_what_fails_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    @signal("a", everyone)
    def function(window_info):
        raise RuntimeError("s3cret")

    assert denied("a") == (500, "internal error")
    assert "s3cret" in caplog.text


@pytest.mark.parametrize("value", [object(), float("nan"), {1}])
def test_what_cannot_be_sent(value, caplog: pytest.LogCaptureFixture) -> None:
    signal("a", everyone)(lambda window_info: value)
    assert denied("a") == (500, "internal error")
    assert "returned a value that cannot be sent" in caplog.text


def test_a_function_may_refuse_or_disconnect() -> None:
    @signal("a", everyone)
    def function(window_info, how):
        raise Deny(402, "pay first") if how == "deny" else Disconnect(4500, "bye")

    assert denied("a", {"how": "deny"}) == (402, "pay first")
    with pytest.raises(Disconnect):
        call("a", {"how": "disconnect"}, INFO)


def test_an_annotation_that_cannot_be_read() -> None:
    signal("a", everyone)(lambda window_info, n: 1)

    @signal("b", everyone)
    def function(window_info, n: Nowhere): ...  # noqa: F821

    assert denied("b", {"n": 1}) == (500, "internal error")


def test_all_functions_are_called_though_one_fails() -> None:
    called = []
    signal("a", everyone)(lambda window_info: 1 / 0)
    signal("a", everyone)(lambda window_info: called.append(1))
    assert denied("a") == (500, "internal error")
    assert called == [1]


def test_none_is_called_where_arguments_do_not_fit_one() -> None:
    called = []
    signal("a", everyone)(lambda window_info, n: called.append(n))

    @signal("a", everyone)
    def function(window_info, n: int): ...

    assert denied("a", {"n": "x"})[0] == 400
    assert called == []


def test_arguments_of_who_may_not_call_are_not_looked_at() -> None:
    @signal("a", is_staff)
    def function(window_info, n: int): ...

    assert denied("a", {"n": "x"})[0] == 403


def test_who_is_not_active_any_more(db: None) -> None:
    signal("a", everyone)(lambda window_info: 1)
    user = User.objects.create_user("ann", is_active=False)
    assert denied("a", {}, WindowInfo(user_id=str(user.pk))) == (403, "this account is not active")


def test_one_that_fails_in_the_database_spoils_no_other(db: None) -> None:
    @signal("a", everyone)
    def function(window_info):
        User.objects.create(username="ann")
        User.objects.create(username="ann")

    signal("a", everyone)(lambda window_info: User.objects.create(username="ben"))
    assert denied("a")[0] == 500
    assert list(User.objects.values_list("username", flat=True)) == ["ben"]
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="ben")


class TestQueues:
    def test_an_acknowledgement(self) -> None:
        signal("a", everyone, queue="slow")(lambda window_info, n: 1)
        with SignalQueue() as fd:
            assert call("a", {"n": 1}, INFO) == Queued()
        assert fd.python_signals == {"slow": [["a", INFO.to_dict(), {"n": 1}, True, None, True, None]]}

    def test_one_here_and_one_in_a_queue(self) -> None:
        signal("a", everyone, queue="slow")(lambda window_info: 1)
        signal("a", everyone)(lambda window_info: 2)
        signal("a", is_staff, queue="staff")(lambda window_info: 3)
        with SignalQueue() as fd:
            assert call("a", {}, INFO) == Value(2)
        assert fd.python_signals == {"slow": [["a", INFO.to_dict(), {}, True, None, True, "slow"]]}

    def test_arguments_are_looked_at_before(self) -> None:
        @signal("a", everyone, queue="slow")
        def function(window_info, n: int): ...

        with SignalQueue() as fd:
            assert denied("a", {"n": "x"}) == (400, "the argument 'n' is not an integer")
        assert fd.python_signals == {}

    def test_a_queue_that_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queues, "has_celery", lambda: False)
        signal("a", everyone, queue="slow")(lambda window_info: 1)
        assert denied("a") == (503, "the queue cannot be reached, try again later")

    def test_without_celery_while_developing(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        settings.DEBUG = True
        monkeypatch.setattr(queues, "has_celery", lambda: False)
        called = []
        signal("a", everyone, queue="slow")(lambda window_info: called.append(window_info.window_key))
        signal("b", everyone, queue="slow")(lambda window_info: 1 / 0)
        assert call("a", {}, INFO) == Queued()
        assert call("b", {}, INFO) == Queued()
        assert called == ["w"]


def test_large_integers_of_a_page_are_what_it_sent() -> None:
    signal("a", everyone)(lambda window_info, n, text: [type(n).__name__, n, type(text).__name__])
    assert call("a", {"n": 2**60, "text": str(2**60)}, INFO) == Value(["int", 2**60, "str"])
