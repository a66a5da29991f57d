"""One meaning of no: the same answers deny in rules, permissions of events and sockets, and guards of signals."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from instant.access.channel_access import may_join
from instant.channels import rules
from instant.events import BaseEventModel
from instant.exceptions import Deny
from instant.sockets import WebSocketHandler
from instant.testing import SocketCommunicator
from instant.user_callables import is_true
from instant.windows import WindowInfo, registry, signal
from instant.windows.dispatch import Value, call
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.blog.models import Post
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)


class Unreadable:
    """As arrays of numpy are, which have more than one element."""

    def __bool__(self) -> bool:
        raise ValueError("the truth value is ambiguous")


class Empty:
    def __len__(self) -> int:
        return 0


async def coroutine() -> bool:
    return False


#: What falsy answers there are, and answers that would be true whatever they hold, made anew for each question.
DENYING: dict[str, Callable[[], Any]] = {
    **{repr(value): lambda value=value: value for value in (None, False, 0, 0.0, "", b"", [], (), set())},
    "Decimal(0)": lambda: Decimal(0),
    "no objects": lambda: Group.objects.none(),
    "a queryset without objects": lambda: Group.objects.filter(name="nobody"),
    "a count": lambda: Group.objects.count(),
    "len 0": Empty,
    "lazy None": lambda: SimpleLazyObject(lambda: None),
    "unreadable": Unreadable,
    "a function": lambda: is_true,
    "a class": lambda: Group,
    "a method that was not called": lambda: User().has_perm,
    "a manager": lambda: User(pk=1).groups,
    "a generator": lambda: (number for number in [0]),
    "an iterator": lambda: filter(None, [0]),
    "an asynchronous iterator": lambda: Group.objects.aiterator(),
}
ALLOWING: dict[str, Callable[[], Any]] = {
    **{repr(value): lambda value=value: value for value in (True, 1, "yes", [0], (None,))},
    "an object": User,
    "a queryset": lambda: User.objects.all(),
}


def rule(answer: Callable[[], Any], ann: User) -> bool:
    rules.add("$post:<int:pk>", lambda user, pk: answer())
    return may_join(ann, "$post:1")


def async_rule(answer: Callable[[], Any], ann: User) -> bool:
    async def function(user: Any, pk: int) -> Any:
        return LAZY.get(answer, answer)()

    rules.add("$post:<int:pk>", function)
    return may_join(ann, "$post:1")


def event(answer: Callable[[], Any], ann: User) -> bool:
    made = type("Events", (BaseEventModel,), {"model": Post, "permission": lambda user: answer()})
    made().register()
    return may_join(ann, "$events.blog.Post")


def guard(answer: Callable[[], Any], ann: User) -> bool:
    return called(lambda signal, window_info, kwargs: answer(), ann)


def guard_of_the_user(answer: Callable[[], Any], ann: User) -> bool:
    return called(lambda user: answer(), ann)


def called(function: Any, ann: User) -> bool:
    signal("app.name", is_allowed_to=function)(lambda window_info: 1)
    try:
        return call("app.name", {}, WindowInfo(user_id=str(ann.pk))) == Value(1)
    except Deny:
        return False


def socket(answer: Callable[[], Any], ann: User) -> bool:
    return opened(staticmethod(lambda user: answer()), ann)


def method_of_a_socket(answer: Callable[[], Any], ann: User) -> bool:
    return opened(lambda self: answer(), ann)


def async_method_of_a_socket(answer: Callable[[], Any], ann: User) -> bool:
    async def permission(self: Any) -> Any:
        return LAZY.get(answer, answer)()

    return opened(permission, ann)


def opened(permission: Any, ann: User) -> bool:
    async def scenario() -> bool:
        async with SocketCommunicator(type("Own", (WebSocketHandler,), {"permission": permission}), ann) as made:
            try:
                await made.open()
            except Deny:
                return False
            return True

    return async_to_sync(scenario)()


#: On an event loop a query has to be awaited: there this stands for a count.
LAZY: dict[Callable[[], Any], Callable[[], Any]] = {DENYING["a count"]: lambda: 0}
PLACES = (
    *(rule, async_rule, event, guard, guard_of_the_user),
    *(socket, method_of_a_socket, async_method_of_a_socket),
)


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_connections", {})


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
class TestOneMeaning:
    @pytest.mark.parametrize("name", DENYING)
    def test_of_no(self, place: Any, name: str, ann: User) -> None:
        assert place(DENYING[name], ann) is False

    @pytest.mark.parametrize("name", ALLOWING)
    def test_of_yes(self, place: Any, name: str, ann: User) -> None:
        assert place(ALLOWING[name], ann) is True

    @pytest.mark.parametrize("name", ["unreadable", "a function", "a generator"])
    def test_what_is_no_answer_is_logged(
        self, place: Any, name: str, ann: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        place(DENYING[name], ann)
        assert "ValueError" in caplog.text or "TypeError" in caplog.text

    def test_an_empty_dict_is_a_yes_of_rules_only(self, place: Any, ann: User) -> None:
        assert place(dict, ann) is (place in (rule, async_rule))


def test_a_coroutine_that_nobody_awaits_is_no_answer(ann: User, caplog: pytest.LogCaptureFixture) -> None:
    """`return check(user)` in an async rule, where `check` is async as well."""

    async def function(user: Any, pk: int) -> Any:
        return coroutine()

    rules.add("$post:<int:pk>", function)
    assert not may_join(ann, "$post:1")
    assert "await" in caplog.text


def test_a_dict_of_an_event_is_no_more_than_a_yes(ann: User, settings: Settings) -> None:
    made = type("Events", (BaseEventModel,), {"model": Post, "permission": lambda user: {"presence": True}})
    made().register()
    match = rules.find("$events.blog.Post")
    assert match is not None
    assert rules.ask(ann, "$events.blog.Post", match) == {}
