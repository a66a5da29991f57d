"""One vocabulary: each guard decides the same for signals, sockets and the channels of model events."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, Permission, User
from pytest_django import Settings

from instant import events, sockets, windows
from instant.access import guards
from instant.access.channel_access import may_join
from instant.channels import rules
from instant.events import BaseEventModel
from instant.exceptions import Deny, InvalidEvent, InvalidHandler, InvalidSignal
from instant.sockets import SocketInfo, WebSocketHandler, envelopes, socket
from instant.sockets.connection import Opening
from instant.sockets.handler_calls import Runner
from instant.sockets.socket_pool import SocketPool
from instant.testing import SocketCommunicator
from instant.testing.signals import SignalQueue
from instant.windows import (
    SERVER,
    WindowInfo,
    everyone,
    has_perm,
    is_anonymous,
    is_authenticated,
    is_staff,
    is_superuser,
    registry,
    server_side,
    signal,
    trigger,
)
from instant.windows.dispatch import Value, call
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.blog.models import Post
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("everyone", "has_perm", "is_anonymous", "is_authenticated", "is_staff", "is_superuser", "server_side")


def by_signal(permission: Any, user: Any) -> bool:
    registry.remove("app.name")
    signal("app.name", is_allowed_to=permission)(lambda window_info: 1)
    info = WindowInfo(user_id=str(user.pk)) if user.is_authenticated else WindowInfo()
    try:
        return call("app.name", {}, info) == Value(1)
    except Deny:
        return False


def by_socket(permission: Any, user: Any) -> bool:
    handler = type("Own", (WebSocketHandler,), {"permission": permission})

    async def scenario() -> bool:
        async with SocketCommunicator(handler, user) as made:
            try:
                await made.open()
            except Deny:
                return False
            return True

    return async_to_sync(scenario)()


def by_event(permission: Any, user: Any) -> bool:
    made = type("Events", (BaseEventModel,), {"model": Post, "permission": permission})
    made().register()
    try:
        return may_join(user, "$events.blog.Post")
    finally:
        made.unregister()


PLACES = pytest.mark.parametrize("place", [by_signal, by_socket, by_event], ids=lambda place: place.__name__)


@pytest.fixture
def people(settings: Settings) -> dict[str, Any]:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    users = {
        "ann": User.objects.create_user("ann"),
        "staff": User.objects.create_user("staff", is_staff=True),
        "root": User.objects.create_superuser("root"),
        "may": User.objects.create_user("may"),
        "inactive": User.objects.create_user("inactive", is_active=False, is_staff=True, is_superuser=True),
        "deleted": User.objects.create_user("deleted", is_staff=True, is_superuser=True),
    }
    users["may"].user_permissions.add(Permission.objects.get(codename="view_post"))
    User.objects.filter(username="deleted").delete()
    return {"visitor": AnonymousUser(), **users}


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_connections", {})


ACTIVE = {"ann", "staff", "root", "may"}


@PLACES
@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        (everyone, {"visitor"} | ACTIVE),
        (is_anonymous, {"visitor"}),
        (is_authenticated, ACTIVE),
        (is_staff, {"staff", "root"}),
        (is_superuser, {"root"}),
        (has_perm("blog.view_post"), {"root", "may"}),
        ("blog.view_post", {"root", "may"}),
        (server_side, set()),
        (sockets.EVERYONE, {"visitor"} | ACTIVE),
        (events.AUTHENTICATED, ACTIVE),
        (staticmethod(lambda user: user.username != "ann"), {"visitor"} | ACTIVE - {"ann"}),
    ],
    ids=[
        *("everyone", "is_anonymous", "is_authenticated", "is_staff", "is_superuser", "has_perm", "text"),
        *("server_side", "EVERYONE", "AUTHENTICATED", "function"),
    ],
)
def test_a_permission_is_the_same_everywhere(
    place: Any, permission: Any, expected: set[str], people: dict[str, Any]
) -> None:
    if place is by_signal and isinstance(permission, staticmethod):
        permission = permission.__func__
    if place is not by_signal:  # the others are given the object, which looks like any other; see below
        del people["deleted"]
    assert {name for name, user in people.items() if place(permission, user)} == expected


def test_the_names_are_the_same_objects_in_all_three_packages() -> None:
    for name in (*NAMES, "AUTHENTICATED", "EVERYONE"):
        assert getattr(windows, name, None) is getattr(guards, name) or name.isupper(), name
        assert getattr(events, name) is getattr(sockets, name) is getattr(guards, name), name


@PLACES
def test_a_function_of_the_user_may_be_async(place: Any, people: dict[str, Any]) -> None:
    async def is_ann(user: Any) -> bool:
        return bool(user.username == "ann")

    own = is_ann if place is by_signal else staticmethod(is_ann)
    assert {name for name in ACTIVE if place(own, people[name])} == {"ann"}


@PLACES
@pytest.mark.parametrize(
    "wrong",
    [has_perm, "view", 5, User, object(), ["is_staff"]],
    ids=["a factory", "text", "number", "a class", "an object", "a list"],
)
def test_what_is_no_permission_is_an_error_of_the_declaration(place: Any, wrong: Any) -> None:
    with pytest.raises((InvalidSignal, InvalidHandler, InvalidEvent)) as error:
        if place is by_socket:
            socket("own")(type("Own", (WebSocketHandler,), {"permission": wrong}))
        place(wrong, AnonymousUser())
    if wrong is has_perm:
        assert "has_perm('app.codename')" in str(error.value)
    else:
        assert "is_allowed_to is" in str(error.value) or "permission is" in str(error.value)


@pytest.mark.parametrize("wrong", [None, lambda: True, lambda a, b: True, lambda a, b, c, d: True])
def test_a_guard_of_a_signal_takes_the_call_or_the_user(wrong: Any) -> None:
    with pytest.raises(InvalidSignal, match=r"is_allowed_to is .*three"):
        signal("app.name", is_allowed_to=wrong)


def test_guards_can_be_called_by_functions_of_the_project(people: dict[str, Any]) -> None:
    def own(signal: Any, window_info: Any, kwargs: Any) -> bool:
        return is_staff(signal, window_info, kwargs) or has_perm("blog.view_post")(window_info.user)

    assert {name for name, user in people.items() if by_signal(own, user)} == {"staff", "root", "may"}
    assert not everyone(people["inactive"])
    assert not is_anonymous(people["inactive"])
    assert not everyone(None, WindowInfo(user_id=str(people["inactive"].pk)), {})


def test_guards_say_what_they_are() -> None:
    assert [str(guard) for guard in (everyone, server_side, has_perm("blog.view_post"))] == [
        "everyone",
        "server_side",
        "has_perm('blog.view_post')",
    ]
    for wrong in ("view_post", "blog.", ".view_post", 5):
        with pytest.raises(ValueError, match=r"app\.codename"):
            has_perm(wrong)  # type: ignore[arg-type]


class TestServerSide:
    """A signal without a guard is for the server only."""

    @pytest.mark.parametrize("options", [{}, {"is_allowed_to": server_side}])
    def test_no_browser_can_find_out_that_there_is_such_a_signal(
        self, options: dict[str, Any], people: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        signal("internal.purge", **options)(lambda window_info, n: n)
        for name in ("visitor", "ann", "root"):
            user = people[name]
            refusals = []
            for path in ("internal.purge", "internal.nothing"):
                with pytest.raises(Deny) as refusal:
                    call(path, {"n": 1}, WindowInfo(user_id=str(user.pk or "")))
                refusals.append((refusal.value.code, refusal.value.reason))
            assert refusals == [(404, "there is no such signal")] * 2
        assert "'internal.purge'" in caplog.text
        assert "is_allowed_to=" in caplog.text
        assert "'internal.nothing'" not in caplog.text

    def test_the_server_calls_it(self) -> None:
        called: list[int] = []
        signal("internal.purge")(lambda window_info, n: called.append(n))
        trigger(WindowInfo(), "internal.purge", to=SERVER, n=1)
        trigger(None, "internal.purge", to=SERVER, n=2)
        assert called == [1, 2]

    def test_beside_a_function_that_browsers_may_call(self, caplog: pytest.LogCaptureFixture) -> None:
        called: list[str] = []
        signal("app.name")(lambda window_info: called.append("server"))
        signal("app.name", everyone)(lambda window_info: called.append("browser"))
        assert call("app.name", {}, WindowInfo()) == Value(None)
        assert called == ["browser"]
        assert caplog.text == ""

    def test_beside_one_in_the_same_queue(self, caplog: pytest.LogCaptureFixture) -> None:
        called: list[str] = []
        signal("app.name", queue="slow")(lambda window_info: called.append("server"))
        signal("app.name", everyone, queue="slow")(lambda window_info: called.append("browser"))
        with SignalQueue() as fd:
            call("app.name", {}, WindowInfo())
            fd.execute_delayed_signals()
        assert called == ["browser"]
        assert caplog.text == ""


class TestDeletedOrInactive:
    """A connection that says it is a user who is deleted or deactivated is refused, whatever the permission says."""

    async def refused(self, permission: Any, sub: str) -> bool:
        asked: list[Any] = []

        class Own(WebSocketHandler):
            async def on_connect(self) -> None:
                asked.append(self.user)

        Own.permission = permission
        runner = Runner()
        pool = SocketPool(runner)
        try:
            await pool.open(Opening("own", sub, "c1", None, SocketInfo("test")), envelopes.plain, Own)
        except Deny as refusal:
            return (refusal.code, refusal.reason, asked) == (403, "permission denied", [])
        finally:
            await pool.stop(5)
            runner.close()
        return False

    @pytest.mark.parametrize(
        "permission",
        [everyone, is_anonymous, sockets.EVERYONE, staticmethod(lambda user: True), lambda self: True],
        ids=["everyone", "is_anonymous", "EVERYONE", "function", "method"],
    )
    @pytest.mark.parametrize("name", ["inactive", "deleted"])
    def test_no_socket_opens(self, people: dict[str, Any], permission: Any, name: str) -> None:
        assert async_to_sync(self.refused)(permission, str(people[name].pk))

    def test_others_are_let_in(self, people: dict[str, Any]) -> None:
        assert not async_to_sync(self.refused)(everyone, str(people["ann"].pk))
        assert not async_to_sync(self.refused)(everyone, "")


def test_nobody_joins_the_channel_of_a_server_side_event(people: dict[str, Any]) -> None:
    assert not by_event(server_side, people["root"])
    assert rules.registered() == []
