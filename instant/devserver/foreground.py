"""The devserver as a program: it serves until a signal ends it."""

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

#: Is told how the server takes another config, for as long as a block runs.
Reloading = Callable[[Callable[[Mapping[str, Any]], None]], contextlib.AbstractContextManager[None]]


def run(config: Mapping[str, Any], *, rpc: RpcHandler | None = None, reloading: Reloading | None = None) -> int:
    """Serve in the foreground until SIGINT or SIGTERM and return an exit status.

    A bad config or a taken port is one line on stderr and 1.
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
        # Not on Windows, where Ctrl-C is a KeyboardInterrupt, nor in a thread, where no signal arrives.
        with contextlib.suppress(RuntimeError):
            loop.add_signal_handler(name, stopped.set)
    await server.start()
    try:
        await stopped.wait()
    finally:
        await server.stop()
