from __future__ import annotations

import pytest
from django.db import transaction

from instant.testing.signals import SignalQueue
from instant.windows import SERVER, WINDOW, WindowInfo, signal, trigger


def test_it_looks_at_commits(db: None) -> None:
    """The test's own transaction never commits."""
    with SignalQueue() as fd:
        with transaction.atomic():
            trigger(None, "a", to=1)
            assert fd.ws_signals == {}
        assert fd.ws_signals == {"-int.1": [("a", {})]}


def test_a_rollback(db: None) -> None:
    with SignalQueue() as fd:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            trigger(None, "a", to=[1, SERVER])
            raise ZeroDivisionError
    assert (fd.ws_signals, fd.python_signals) == ({}, {})


def test_what_was_triggered_before_is_not_taken(db: None) -> None:
    with SignalQueue() as outer:
        trigger(None, "before", to=1)
        with SignalQueue() as inner:
            trigger(None, "inside", to=1)
        assert inner.ws_signals == {"-int.1": [("inside", {})]}
    assert outer.ws_signals == {"-int.1": [("before", {})]}


def test_functions_are_not_called_by_default() -> None:
    called = []
    signal("a")(lambda window_info: called.append(1))
    signal("a", queue="slow")(lambda window_info: called.append(2))
    with SignalQueue() as fd:
        trigger(WindowInfo(), "a", to=SERVER)
        assert called == []
        assert list(fd.python_signals) == [None, "slow"]
        fd.execute_delayed_signals(["slow"])
        assert called == [2]
        fd.execute_delayed_signals()
        fd.execute_delayed_signals()
        assert called == [2, 1]


def test_immediate_execution() -> None:
    called = []

    @signal("a", queue="slow")
    def function(window_info, n):
        called.append(n)
        trigger(window_info, "b", to=WINDOW)

    signal("c")(lambda window_info: 1 / 0)
    with SignalQueue(immediate_execution=True) as fd:
        trigger(WindowInfo(window_key="w"), "a", to=SERVER, n=1)
        with pytest.raises(ZeroDivisionError):
            trigger(None, "c", to=SERVER)
        fd.execute_delayed_signals()
    assert called == [1]
    assert fd.ws_signals == {"-window.w": [("b", {})]}


def test_an_error_inside_is_not_hidden(db: None) -> None:
    with pytest.raises(ZeroDivisionError), SignalQueue():
        trigger(None, "a", to=1)
        raise ZeroDivisionError


def test_fixtures(signal_queue: SignalQueue, window_info: WindowInfo) -> None:
    trigger(window_info, "a")
    assert signal_queue.ws_signals == {f"-window.{window_info.window_key}": [("a", {})]}
