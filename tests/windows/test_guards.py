from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from django.contrib.auth.models import Permission, User

from instant.exceptions import Deny
from instant.windows import (
    SERVER,
    WindowInfo,
    everyone,
    has_perm,
    is_authenticated,
    is_staff,
    is_superuser,
    signal,
    trigger,
)
from instant.windows.dispatch import Queued, Value, call


@pytest.fixture
def people(db: None) -> dict[str, WindowInfo]:
    users = {
        "ann": User.objects.create_user("ann"),
        "staff": User.objects.create_user("staff", is_staff=True),
        "root": User.objects.create_superuser("root"),
        "gone": User.objects.create_user("gone", is_active=False, is_staff=True, is_superuser=True),
        "may": User.objects.create_user("may"),
    }
    users["may"].user_permissions.add(Permission.objects.get(codename="view_group"))
    return {"visitor": WindowInfo()} | {name: WindowInfo(user_id=str(user.pk)) for name, user in users.items()}


@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        (everyone, {"visitor", "ann", "staff", "root", "may"}),
        (is_authenticated, {"ann", "staff", "root", "may"}),
        (is_staff, {"staff", "root"}),
        (is_superuser, {"root"}),
        (has_perm("auth.view_group"), {"root", "may"}),
        (
            lambda signal, window_info, kwargs: signal.path == "a" and kwargs == {"n": 1},
            {"visitor", "ann", "staff", "root", "may"},
        ),
        (lambda signal, window_info, kwargs: None, set()),
        (lambda signal, window_info, kwargs: 1 / 0, set()),
    ],
)
def test_guards(people: dict[str, WindowInfo], guard, expected: set[str]) -> None:
    signal("a", guard)(lambda window_info, n: n)
    allowed = set()
    for name, info in people.items():
        with suppress(Deny):
            assert call("a", {"n": 1}, info) == Value(1)
            allowed.add(name)
    assert allowed == expected


def test_without_a_guard_only_the_server_calls_it(people: dict[str, WindowInfo]) -> None:
    signal("a")(lambda window_info: 1)
    for info in people.values():
        with pytest.raises(Deny, match="there is no such signal"):
            call("a", {}, info)


def test_a_guard_may_be_async(people: dict[str, WindowInfo]) -> None:
    """A coroutine is true by itself."""

    async def nobody(signal, window_info, kwargs):
        return False

    signal("a", nobody)(lambda window_info: 1)
    with pytest.raises(Deny):
        call("a", {}, people["root"])


def test_a_guard_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    signal("a", lambda signal, window_info, kwargs: 1 / 0)(lambda window_info: 1)
    with pytest.raises(Deny):
        call("a", {}, WindowInfo())
    assert "ZeroDivisionError" in caplog.text


def test_a_guard_changes_no_arguments() -> None:
    def thief(signal, window_info, kwargs):
        kwargs.clear()
        return True

    signal("a", thief)(lambda window_info, n: n)
    assert call("a", {"n": 1}, WindowInfo()) == Value(1)


def test_the_servers_own_calls_are_trusted() -> None:
    called = []
    signal("a", is_superuser)(lambda window_info: called.append(1))
    trigger(WindowInfo(), "a", to=SERVER)
    assert called == [1]


def test_each_function_has_its_own_guard() -> None:
    called = []
    signal("a", everyone)(lambda window_info: called.append("everyone"))
    signal("a", is_staff)(lambda window_info: called.append("staff"))
    assert call("a", {}, WindowInfo()) == Value(None)
    assert called == ["everyone"]


def test_a_permission_has_an_app() -> None:
    with pytest.raises(ValueError, match="codename"):
        has_perm("view_group")


def test_a_refusal_is_logged_without_arguments(caplog: pytest.LogCaptureFixture) -> None:
    signal("a", is_staff)(lambda window_info, **kwargs: 1)
    with caplog.at_level(logging.WARNING), pytest.raises(Deny):
        call("a", {"password": "hunter2"}, WindowInfo())
    assert "'a'" in caplog.text
    assert "hunter2" not in caplog.text


def test_two_inline_answers_are_an_acknowledgement() -> None:
    for _ in range(2):
        signal("a", everyone)(lambda window_info: 1)
    assert call("a", {}, WindowInfo()) == Queued()
