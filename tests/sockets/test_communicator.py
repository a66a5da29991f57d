"""What a handler is promised, without a server: SocketCommunicator."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import PermissionDenied

from instant.exceptions import Deny, InvalidHandler, InvalidMessage, SocketClosed, TooLarge
from instant.sockets import AUTHENTICATED, EVERYONE, SocketInfo, WebSocketHandler, connection, send_buffer
from instant.testing import SocketCommunicator
from tests.waiting import auntil

from . import handlers


class Recorder(WebSocketHandler):
    permission = EVERYONE
    answer: Any = None

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def on_connect(self) -> None:
        self.calls.append(("connect",))

    def on_open(self, message: Any) -> Any:
        self.calls.append(("open", message))
        return self.answer

    def on_message(self, message: Any) -> None:
        self.calls.append(("message", message))

    def on_close(self) -> None:
        self.calls.append(("close",))


class AsyncRecorder(Recorder):
    async def on_connect(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_connect()

    async def on_open(self, message: Any) -> Any:
        await asyncio.sleep(0)
        return super().on_open(message)

    async def on_message(self, message: Any) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_message(message)

    async def on_close(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_close()


both = pytest.mark.parametrize("recorder", [Recorder, AsyncRecorder])


async def story(handler_class: type[Recorder], *messages: Any) -> list[tuple[str, ...]]:
    async with SocketCommunicator(handler_class) as socket:
        await socket.open(*messages)
    calls: list[tuple[str, ...]] = socket.handler.calls
    return calls


@both
async def test_the_first_message_goes_to_on_open_and_on_message(recorder: type[Recorder]) -> None:
    wanted = [("connect",), ("open", 1), ("message", 1), ("message", 2), ("close",)]
    assert await story(recorder, 1, 2) == wanted


@both
@pytest.mark.parametrize("answer", [True, False, 0, ""])
async def test_and_not_to_on_message_where_on_open_returns_something(recorder: type[Recorder], answer: Any) -> None:
    answering = type("Answering", (recorder,), {"answer": answer})
    assert await story(answering, 1, 2) == [("connect",), ("open", 1), ("message", 2), ("close",)]


@both
async def test_a_socket_without_messages(recorder: type[Recorder]) -> None:
    assert await story(recorder) == [("connect",), ("close",)]


async def test_each_socket_has_an_object_of_its_own() -> None:
    async with SocketCommunicator(Recorder) as one, SocketCommunicator(Recorder) as other:
        await one.open(1)
        await other.open(2)
        assert one.handler is not other.handler


async def test_messages_are_what_json_makes_of_them() -> None:
    async with SocketCommunicator(handlers.Echo) as socket:
        await socket.open((1, "two"))
        assert await socket.receive() == [1, "two"]
        assert await socket.receive_nothing()


@pytest.mark.parametrize("name", ["on_connect", "on_open", "on_message"])
@pytest.mark.parametrize("is_async", [True, False])
async def test_an_exception_closes_the_socket(name: str, is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    def fail(self: Any, *args: Any) -> None:
        raise RuntimeError("mine")

    async def afail(self: Any, *args: Any) -> None:
        raise RuntimeError("mine")

    failing = type("Failing", (Recorder,), {name: afail if is_async else fail})
    async with SocketCommunicator(failing) as socket:
        await socket.open("message")
        with pytest.raises(SocketClosed, match="4500 internal error"):
            await socket.receive()
    assert [call for call in socket.handler.calls if call == ("close",)] == [("close",)]
    (record,) = caplog.records
    assert (record.levelname, str(record.exc_info[1])) == ("ERROR", "mine")  # type: ignore[index]
    assert "Failing" in record.getMessage()


async def test_an_exception_in_on_close_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recorder):
        def on_close(self) -> None:
            super().on_close()
            raise RuntimeError("mine")

    async with SocketCommunicator(Failing) as socket:
        await socket.open()
    assert socket.handler.calls == [("connect",), ("close",)]
    assert "on_close of" in caplog.text


async def test_close_goes_behind_what_was_sent_and_drops_what_was_not_read() -> None:
    class Closing(Recorder):
        def on_message(self, message: Any) -> None:
            super().on_message(message)
            assert self.send("last words") is True
            self.close(4001, "enough")
            self.close(4002, "again")
            assert self.send("nothing") is False

    async with SocketCommunicator(Closing) as socket:
        await socket.open(1, 2, 3)
        assert await socket.receive() == "last words"
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
        assert (closed.value.code, closed.value.reason) == (4001, "enough")
        with pytest.raises(SocketClosed):
            await socket.send("more")
    assert socket.handler.calls == [("connect",), ("open", 1), ("message", 1), ("close",)]


@pytest.mark.parametrize(
    ("code", "reason"), [(999, ""), (1001, ""), (5000, ""), (True, ""), ("1000", ""), (1000, "é" * 62)]
)
async def test_codes_and_reasons_are_those_of_browsers(code: Any, reason: str) -> None:
    async with SocketCommunicator(Recorder) as socket:
        await socket.open()
        with pytest.raises(ValueError, match=r"1000|bytes"):
            socket.handler.close(code, reason)


async def test_what_cannot_be_sent_is_the_handlers_error() -> None:
    async with SocketCommunicator(Recorder) as socket:
        await socket.open()
        for wrong in (object(), float("nan"), "\ud800"):
            with pytest.raises(InvalidMessage):
                socket.handler.send(wrong)
        with pytest.raises(TooLarge):
            socket.handler.send("x" * 1_000_000)


async def test_messages_from_many_threads_arrive() -> None:
    async with SocketCommunicator(Recorder) as socket:
        await socket.open()

        def send(name: int) -> None:
            for number in range(200):
                assert socket.handler.send([name, number])

        threads = [threading.Thread(target=send, args=(name,)) for name in range(5)]
        for thread in threads:
            thread.start()
        got = [await socket.receive() for _ in range(1000)]
        for name in range(5):
            assert [number for who, number in got if who == name] == list(range(200))
    assert socket.handler.send("too late") is False


async def test_a_client_that_does_not_read_holds_up_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_buffer, "MOST", 10)
    async with SocketCommunicator(handlers.Flood) as socket:
        await socket.open(50)
        await auntil(lambda: socket._open().outgoing.is_full)
        assert len(socket._open().outgoing._items) == 10
        assert [await socket.receive() for _ in range(50)] == list(range(50))


async def test_and_closes_the_socket_of_a_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(send_buffer, "MOST", 10)

    class Flood(Recorder):
        async def on_message(self, message: Any) -> None:  # type: ignore[override]
            while self.send("more"):
                pass

    async with SocketCommunicator(Flood) as socket:
        await socket.open(1)
        assert [await socket.receive() for _ in range(10)] == ["more"] * 10
        with pytest.raises(SocketClosed, match="4504 too many messages unsent"):
            await socket.receive()
    assert "too many messages unsent" in caplog.text


async def test_but_not_where_it_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_buffer, "MOST", 10)
    async with SocketCommunicator(handlers.AsyncFlood) as socket:
        await socket.open(100)
        assert [await socket.receive() for _ in range(100)] == list(range(100))


async def test_a_thread_waits_no_longer_than_the_socket_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_buffer, "MOST", 10)
    socket = SocketCommunicator(handlers.Flood)
    await socket.open(50)
    await auntil(lambda: socket._open().outgoing.is_full)
    await asyncio.wait_for(socket.close(), 2)


async def test_nor_does_a_task(monkeypatch: pytest.MonkeyPatch, told: list[Any]) -> None:
    monkeypatch.setattr(send_buffer, "MOST", 10)
    socket = SocketCommunicator(handlers.AsyncFlood)
    await socket.open(50)
    await auntil(lambda: socket._open().outgoing.is_full)
    await asyncio.wait_for(socket.close(), 2)


async def test_a_task_that_waits_learns_of_a_close_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_buffer, "MOST", 10)
    async with SocketCommunicator(handlers.AsyncFlood) as socket:
        await socket.open(50)
        await auntil(lambda: socket._open().outgoing.is_full)
        await asyncio.get_running_loop().run_in_executor(None, socket.handler.close)
        await asyncio.wait_for(socket._pool.wait(), 2)


async def test_a_client_that_sends_too_much_is_notified(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "MOST_UNREAD", 10)
    handled = asyncio.Event()

    class Slow(Recorder):
        async def on_message(self, message: Any) -> None:  # type: ignore[override]
            super().on_message(message)
            await handled.wait()

    async with SocketCommunicator(Slow) as socket:
        await socket.open(0)
        await auntil(lambda: ("message", 0) in socket.handler.calls)
        with pytest.raises(SocketClosed):
            for number in range(20):
                await socket.send(number)
        handled.set()
        with pytest.raises(SocketClosed, match="4503 too many messages unread"):
            await socket.receive()
    assert socket.handler.calls == [("connect",), ("open", 0), ("message", 0), ("close",)]
    assert "too many messages unread" in caplog.text


async def test_what_came_before_the_client_went_is_handled() -> None:
    class Slow(Recorder):
        async def on_message(self, message: Any) -> None:  # type: ignore[override]
            await asyncio.sleep(0.01)
            super().on_message(message)

    assert (await story(Slow, 1, 2, 3))[-2:] == [("message", 3), ("close",)]


class TestPermission:
    async def refused(self, handler_class: type[WebSocketHandler], user: Any = None, **options: Any) -> tuple[int, str]:
        with pytest.raises(Deny) as refusal:
            await SocketCommunicator(handler_class, user, **options).open()
        return refusal.value.code, refusal.value.reason

    async def opens(self, handler_class: type[WebSocketHandler], user: Any = None, **options: Any) -> None:
        async with SocketCommunicator(handler_class, user, **options) as socket:
            await socket.open()

    async def test_the_default_is_whoever_is_logged_in(self) -> None:
        await self.opens(handlers.Members, User(pk=1, username="ann"))
        assert await self.refused(handlers.Members) == (403, "permission denied")
        assert await self.refused(handlers.Members, User(pk=1, is_active=False)) == (403, "permission denied")
        assert WebSocketHandler.permission == AUTHENTICATED

    async def test_a_permission_of_django(self, db: None) -> None:
        def user() -> User:
            made = User.objects.create_user("ann")
            made.user_permissions.add(Permission.objects.get(codename="add_user"))
            return made

        from asgiref.sync import sync_to_async

        ann = await sync_to_async(user)()
        await self.opens(handlers.Adders, ann)
        assert await self.refused(handlers.Adders, User(pk=0)) == (403, "permission denied")
        await sync_to_async(ann.delete)()

    async def test_a_function_of_the_user(self) -> None:
        await self.opens(handlers.Staff, User(pk=1, is_staff=True))
        assert await self.refused(handlers.Staff, User(pk=1)) == (403, "permission denied")

        class Static(WebSocketHandler):
            permission = staticmethod(lambda user: user.is_staff)

        await self.opens(Static, User(pk=1, is_staff=True))
        assert await self.refused(Static, User(pk=1)) == (403, "permission denied")

    async def test_a_method_knows_what_the_client_gave(self) -> None:
        await self.opens(handlers.Chosen, User(pk=1), data="let me in")
        assert await self.refused(handlers.Chosen, User(pk=1)) == (403, "permission denied")
        # Whoever is not active is not even asked about.
        inactive = User(pk=1, is_active=False)
        assert await self.refused(handlers.Chosen, inactive, data="let me in") == (403, "permission denied")

    async def test_one_that_fails_lets_nobody_in(self, caplog: pytest.LogCaptureFixture) -> None:
        assert await self.refused(handlers.Broken, User(pk=1)) == (500, "internal error")
        assert "RuntimeError: permission" in caplog.text

    @pytest.mark.parametrize(
        ("error", "told"),
        [(Deny(451, "not here"), (451, "not here")), (PermissionDenied(), (403, "permission denied"))],
    )
    async def test_one_may_say_why(self, error: Exception, told: tuple[int, str]) -> None:
        class Raising(WebSocketHandler):
            def permission(self) -> bool:
                raise error

        assert await self.refused(Raising, User(pk=1)) == told

    async def test_nothing_runs_before_it(self, told: list[Any]) -> None:
        class Closed(handlers.Story):
            permission = AUTHENTICATED

        await self.refused(Closed)
        assert told == []

    def test_what_is_no_permission(self) -> None:
        from instant.sockets import socket

        for wrong in ("authenticate", 1, None):
            with pytest.raises(InvalidHandler, match="permission is"):
                socket("wrong")(type("Wrong", (WebSocketHandler,), {"permission": wrong}))


async def test_what_a_handler_knows() -> None:
    info = SocketInfo("test", meta={"window": "w1"})
    ann = User(pk=7, username="ann")
    async with SocketCommunicator(handlers.Story, ann, data={"room": 1}, namespace="chat", info=info) as socket:
        await socket.open("who")
        assert await socket.receive() == {"user": "ann", "data": {"room": 1}, "name": "chat"}
        await socket.send("info")
        assert await socket.receive() == ["test", [""], {"window": "w1"}, {}]


async def test_a_visitor_is_anonymous() -> None:
    async with SocketCommunicator(handlers.Echo) as socket:
        await socket.open()
        assert socket.handler.user == AnonymousUser()


def test_in_a_test_without_async(transactional_db: None) -> None:
    """Plain methods see what the test has written."""
    from asgiref.sync import async_to_sync

    User.objects.create_user("ann")

    async def scenario() -> int:
        async with SocketCommunicator(handlers.Counting) as socket:
            await socket.open("how many")
            return int(await socket.receive())

    assert async_to_sync(scenario)() == 1


async def test_the_communicator_says_what_is_wrong() -> None:
    socket = SocketCommunicator(handlers.Echo)
    with pytest.raises(AssertionError, match=r"Call `await open\(\)` first"):
        await socket.send("early")
    await socket.open()
    with pytest.raises(AssertionError, match=r"No message arrived within 0\.01 seconds"):
        await socket.receive(0.01)
    await socket.close()
    with pytest.raises(SocketClosed, match="1006"):
        await socket.receive()


async def test_an_integer_that_a_browser_would_round_is_text() -> None:
    async with SocketCommunicator(handlers.Echo) as socket:
        await socket.open([2**53 - 1, 2**53, -(2**60)])
        assert await socket.receive() == [2**53 - 1, str(2**53), str(-(2**60))]
