"""One process of the worker, with its gRPC server, its bridge and its shutdown."""

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
    """A worker that runs on the current event loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._runner = ThreadEach() if options.threaded else Runner(options.threads)
        self.pool = SocketPool(self._runner)
        self._worker = grpc_server.Worker(self.pool, shared_port=options.shared_port, keepalive=options.keepalive)
        self._bridge = websocket_bridge.Bridge(self.pool, options.websocket_url) if options.bridge else None
        self.port = self.bridge_port = 0

    async def start(self) -> None:
        """Listen for connections.

        Raises:
            ServerFailed: a port is in use.
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
        """Accept no more sockets and close the open ones. Return the number of sockets that did not end in time."""
        patience = self.options.patience
        closing = [asyncio.ensure_future(self._worker.stop(patience))]
        if self._bridge:
            closing.append(asyncio.ensure_future(self._bridge.stop(patience)))
        left = await self.pool.stop(patience)
        if left:
            logger.error("%s sockets did not end within %s seconds", left, patience)
        await asyncio.gather(*closing)
        self._runner.close()
        return left


async def serve(options: Options, on_ready: Callable[[], object] = lambda: None) -> int:
    """Serve until SIGINT or SIGTERM. Return the number of sockets that did not end in time.

    Raises:
        ServerFailed: a port is in use.
    """
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers on loops (Ctrl-C is a KeyboardInterrupt), and threads receive no signals.
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
