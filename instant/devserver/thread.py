"""The devserver in its own thread, for tests of synchronous code."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from instant.devserver.app import DevServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from instant.devserver.session import RpcHandler


class ThreadedDevServer:
    """Context manager that runs a devserver during a `with` block. `port` and `url` are available inside the block.

    Raises:
        ConfigError: Centrifugo would refuse the config.
        OSError: (on entering) the server cannot listen; usually the port is in use.
    """

    def __init__(self, config: Mapping[str, Any], *, rpc: RpcHandler | None = None) -> None:
        self._server = DevServer(config, rpc=rpc)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="devserver", daemon=True)
        self._problem: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return self._server.port

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._server.url

    def __enter__(self) -> ThreadedDevServer:
        self._thread.start()
        self._ready.wait()
        if self._problem:
            self._thread.join()
            raise self._problem
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop and self._stopped:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        if self._problem and kind is None:
            raise self._problem

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._problem = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await self._server.start()
        self._ready.set()
        try:
            await self._stopped.wait()
        finally:
            await self._server.stop()
