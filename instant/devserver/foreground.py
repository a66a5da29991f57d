"""The devserver as a program that runs until it receives a signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from instant.devserver.app import DevServer

if TYPE_CHECKING:
    from instant.devserver.session import RpcHandler

#: Receives the function that applies another config, and returns a context manager in which it may be called.
Reloading = Callable[[Callable[[Mapping[str, Any]], None]], contextlib.AbstractContextManager[None]]


def run(config: Mapping[str, Any], *, rpc: RpcHandler | None = None, reloading: Reloading | None = None) -> int:
    """Serve in the foreground until SIGINT or SIGTERM, and return an exit status.

    If the config is invalid or the port is in use, write one line to stderr and return 1.
    """
    try:
        server = DevServer(config, rpc=rpc)
        with reloading(server.reload) if reloading else contextlib.nullcontext():
            asyncio.run(_run(server))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"devserver: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


async def _run(server: DevServer) -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers: Ctrl-C raises KeyboardInterrupt there. Threads receive no signals.
        with contextlib.suppress(RuntimeError):
            loop.add_signal_handler(name, stopped.set)
    await server.start()
    try:
        await stopped.wait()
    finally:
        await server.stop()
