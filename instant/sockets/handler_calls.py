"""Calls the methods of handlers: plain methods in threads, `async` methods on the event loop."""

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

#: Seconds after a call of an async method until old database connections are closed.
_SWEEP = 1.0


class Runner:
    """The threads of a worker. `Calls` runs the calls of one socket one after another."""

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="instant-socket")
        self._sweeping: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def calls(self) -> Calls:
        """Return an object that calls the methods of one socket."""
        return Calls(self, self._pool)

    def close(self) -> None:
        """Let the threads exit when they have finished their work."""
        if self._sweeping:
            self._sweeping.cancel()
        self._pool.shutdown(wait=False)

    def sweep_later(self) -> None:
        """Close old database connections of async methods later. Django opens those in a thread of its own."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        task = asyncio.get_running_loop().create_task(sync_to_async(_tidied)())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class ThreadEach(Runner):
    """Runs each socket in a thread of its own, for slow methods and for libraries that must stay in one thread."""

    def __init__(self) -> None:
        super().__init__(1)

    def calls(self) -> Calls:
        return Calls(self, ThreadPoolExecutor(1, thread_name_prefix="instant-socket"), owned=True)


class Calls:
    """Calls the methods of one socket."""

    def __init__(self, runner: Runner, pool: Executor, *, owned: bool = False) -> None:
        self._runner, self._pool, self._owned = runner, pool, owned
        #: The tenant of the handler, or None for the current one.
        self.tenant: str | None = None
        self._context = Context()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a method, plain or async, and return its result."""
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
        """Let the socket's own thread exit, if it has one."""
        if self._owned:
            self._pool.shutdown(wait=False)

    def _in_thread(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        _tidied()
        try:
            with self._in_tenant():
                return function(*args)
        finally:
            # Otherwise each socket with its own thread would keep a database connection open.
            connections.close_all() if self._owned else _tidied()


def _tidied() -> None:
    """Do what Django does before and after each request."""
    reset_queries()
    close_old_connections()
