"""One process of the worker: its gRPC server, its bridge, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress

from ..sockets.handler_calls import Runner, ThreadEach
from ..sockets.socket_pool import SocketPool
from . import grpc_server, websocket_bridge
from .options import Options

logger = logging.getLogger("instant")


class Serving:
    """A running worker, on the event loop that runs now."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._runner = ThreadEach() if options.threaded else Runner(options.threads)
        self.pool = SocketPool(self._runner)
        self._worker = grpc_server.Worker(self.pool, shared_port=options.shared_port, keepalive=options.keepalive)
        self._bridge = websocket_bridge.Bridge(self.pool, options.websocket_url) if options.bridge else None
        self.port = self.bridge_port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ServerFailed: a port is taken.
        """
        if self._bridge and self.options.bridge:
            self.bridge_port = await self._bridge.start(self.options.bridge, shared_port=self.options.shared_port)
        try:
            self.port = await self._worker.start(self.options.address)
        except BaseException:
            if self._bridge:
                await self._bridge.stop(0)
            raise

    async def stop(self) -> int:
        """Take no more sockets, let those that are open end, and return how many did not."""
        patience = self.options.patience
        doors = [asyncio.ensure_future(self._worker.stop(patience))]
        if self._bridge:
            doors.append(asyncio.ensure_future(self._bridge.stop(patience)))
        left = await self.pool.stop(patience)
        if left:
            logger.error("%s sockets did not end within %s seconds", left, patience)
        await asyncio.gather(*doors)
        self._runner.close()
        return left


async def serve(options: Options, on_ready: Callable[[], object] = lambda: None) -> int:
    """Serve until SIGINT or SIGTERM, and return how many sockets did not end.

    Raises:
        ServerFailed: a port is taken.
    """
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Not on Windows, where Ctrl-C is a KeyboardInterrupt, nor in a thread, where no signal arrives.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, stopped.set)
    serving = Serving(options)
    await serving.start()
    on_ready()
    try:
        await stopped.wait()
    finally:
        left = await serving.stop()
    return left
