"""Calls the methods of handlers: plain ones in threads, `async` ones on the event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections, reset_queries

from ..channels.tenants import entered

#: Seconds between two looks at the connections that async methods have used.
_SWEEP = 1.0


class Runner:
    """The threads of a worker. A socket's calls are made one after another by its `Calls`."""

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="instant-socket")
        self._sweeping: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def calls(self) -> Calls:
        """Return what calls the methods of one socket."""
        return Calls(self, self._pool)

    def close(self) -> None:
        """Let the threads end when they have nothing to do any more."""
        if self._sweeping:
            self._sweeping.cancel()
        self._pool.shutdown(wait=False)

    def sweep_later(self) -> None:
        """Look after the connections of async methods: Django makes them in one thread of its own."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        task = asyncio.get_running_loop().create_task(sync_to_async(_tidied)())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class ThreadEach(Runner):
    """A thread for each socket, as long as it is open: for libraries that stay in one thread, and slow methods."""

    def __init__(self) -> None:
        super().__init__(1)

    def calls(self) -> Calls:
        return Calls(self, ThreadPoolExecutor(1, thread_name_prefix="instant-socket"), owned=True)


class Calls:
    """The calls of one socket."""

    def __init__(self, runner: Runner, pool: Executor, *, owned: bool = False) -> None:
        self._runner, self._pool, self._owned = runner, pool, owned
        #: The tenant that the handler works for; None is the one that is current anyway.
        self.tenant: str | None = None
        self._context = Context()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a method, plain or async, and return what it returns."""
        if inspect.iscoroutinefunction(function):
            self._runner.sweep_later()
            with self._in_tenant():
                return await function(*args)
        result = await self._plain(function, args)
        if not inspect.isawaitable(result):
            return result
        with self._in_tenant():
            return await result

    def _in_tenant(self) -> AbstractContextManager[None]:
        return nullcontext() if self.tenant is None else entered(self.tenant)

    async def _plain(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._context.run, self._in_thread, function, args)

    def close(self) -> None:
        """End the socket's own thread, where it has one."""
        if self._owned:
            self._pool.shutdown(wait=False)

    def _in_thread(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        _tidied()
        try:
            with self._in_tenant():
                return function(*args)
        finally:
            # A thread that a socket keeps would keep a connection for each socket.
            connections.close_all() if self._owned else _tidied()


def _tidied() -> None:
    """What Django does before and after each request."""
    reset_queries()
    close_old_connections()
