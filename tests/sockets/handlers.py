"""The handlers of the tests. What happens to them is in `happened`, in the process of the worker."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

from django.contrib.auth.models import User

from instant.sockets import EVERYONE, WebSocketHandler

happened: list[tuple[str, Any]] = []
release = threading.Event()


class RandomCounter(WebSocketHandler):
    """That of django-ws, written out."""

    def on_message(self, message: str) -> None:
        self.send(str(random.randint(0, 100)))


class Echo(WebSocketHandler):
    permission = EVERYONE

    def on_open(self, message: Any) -> bool:
        self.send(message)
        return True

    def on_message(self, message: Any) -> None:
        self.send(message)


class AsyncEcho(WebSocketHandler):
    permission = EVERYONE

    async def on_message(self, message: Any) -> None:
        self.send(message)


class Story(WebSocketHandler):
    """Tells all that happens to it, and does what it is told."""

    permission = EVERYONE

    def on_connect(self) -> None:
        self.count = 0
        happened.append(("connect", self.client_id))
        if self.data == "fail":
            raise RuntimeError("on_connect")

    def on_open(self, message: Any) -> Any:
        happened.append(("open", message))
        return True if message == "skip" else None

    def on_message(self, message: Any) -> None:
        self.count += 1
        happened.append(("message", message))
        if message == "fail":
            raise RuntimeError("on_message")
        if message == "close":
            self.close(4001, "as you wish")
        if message == "close and fail":
            self.close(4001, "as you wish")
            raise RuntimeError("later")
        if message == "slow":
            release.wait(20)
        if message == "who":
            self.send({"user": self.user.get_username(), "data": self.data, "name": self.namespace})
        if message == "info":
            info = self.info
            self.send([info.transport, info.channel.split(":")[:2], dict(info.meta), dict(info.headers)])
        if message == "count":
            self.send(self.count)

    def on_close(self) -> None:
        happened.append(("close", self.client_id))
        if self.data == "fail":
            raise RuntimeError("on_close")


class Counting(WebSocketHandler):
    """Uses the database in each of its methods."""

    permission = EVERYONE

    def on_connect(self) -> None:
        User.objects.count()

    def on_message(self, message: Any) -> None:
        self.send(User.objects.count())


class AsyncCounting(WebSocketHandler):
    permission = EVERYONE

    async def on_message(self, message: Any) -> None:
        self.send(await User.objects.acount())


class Members(WebSocketHandler):
    """For those who are logged in: the default."""

    def on_message(self, message: Any) -> None:
        self.send(self.user.get_username())


class Adders(WebSocketHandler):
    permission = "auth.add_user"


class Staff(WebSocketHandler):
    permission = lambda user: user.is_staff  # noqa: E731


class Chosen(WebSocketHandler):
    async def permission(self) -> bool:
        await asyncio.sleep(0)
        return self.data == "let me in"


class Broken(WebSocketHandler):
    def permission(self) -> bool:
        raise RuntimeError("permission")


class Flood(WebSocketHandler):
    permission = EVERYONE

    def on_message(self, message: Any) -> None:
        for number in range(message):
            if not self.send(number):
                return


class AsyncFlood(WebSocketHandler):
    permission = EVERYONE

    async def on_message(self, message: Any) -> None:
        for number in range(message):
            await self.asend(number)


class Ticking(WebSocketHandler):
    """Sends from a thread of its own, as long as it is open."""

    permission = EVERYONE

    def on_connect(self) -> None:
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while self.send("tick"):
            time.sleep(0.01)
        happened.append(("stopped", self.client_id))


class Bulk(WebSocketHandler):
    """Sends until nobody takes it any more."""

    permission = EVERYONE

    def on_message(self, message: Any) -> None:
        while self.send("x" * 10_000):
            pass
        happened.append(("unsent", self.client_id))


HANDLERS = {
    "default": f"{__name__}.RandomCounter",
    **{
        each.__name__.lower(): f"{__name__}.{each.__name__}"
        for each in (Echo, AsyncEcho, Story, Counting, AsyncCounting, Members, Adders, Staff, Chosen, Broken, Flood)
    },
    **{each.__name__.lower(): f"{__name__}.{each.__name__}" for each in (AsyncFlood, Bulk, Ticking)},
}
