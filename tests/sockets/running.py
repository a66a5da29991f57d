"""A worker on an event loop of its own thread, as other processes see it, and servers that can be killed."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.db import connections

from instant.centrifugo import binary, process
from instant.centrifugo.config import render
from instant.conf import conf
from instant.management.commands.run_wsserver import WEBSOCKET_URL
from instant.testing.live_servers import wait_until_listening
from instant.worker.options import Options
from instant.worker.serving import Serving

#: Seconds after which a test is given up.


@contextmanager
def killable() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A Centrifugo of the settings: its process, which a test may kill, and its address."""
    config = render()
    with process.config_file(config) as path:
        child = subprocess.Popen(
            [binary.find_binary(), "-c", path],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=process.environment(),
        )  # fmt: skip
        try:
            wait_until_listening(config["http_server"]["port"], child)
            yield child, f"ws://127.0.0.1:{config['http_server']['port']}"
        finally:
            process.end(child)


class RunningWorker:
    """Runs while the block runs; `left` is how many sockets did not end then."""

    def __init__(self, **changes: Any) -> None:
        address, bridge = urlsplit(conf.sockets_url).netloc, urlsplit(conf.sockets_bridge).netloc
        self.options = replace(Options(address, bridge, WEBSOCKET_URL, threads=4), **changes)
        self.left: int | None = None

    def __enter__(self) -> RunningWorker:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="worker", daemon=True)
        self.thread.start()
        self.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.left is None:
            self.stop()

    def stop(self) -> None:
        self.left = self.run(self.serving.stop())
        self.run(self._rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _start(self) -> None:
        self.serving = Serving(self.options)
        await self.serving.start()

    async def _rest(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, connections.close_all)
        await sync_to_async(connections.close_all)()
        await asyncio.get_running_loop().shutdown_default_executor()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def __len__(self) -> int:
        return len(self.serving.pool)
