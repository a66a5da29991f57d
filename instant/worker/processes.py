"""Runs several processes of a worker on one port. The kernel assigns each new connection to one of them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType

from django.db import connections

from ..exceptions import ServerFailed
from .options import Options

logger = logging.getLogger("instant")

#: Seconds before a process that exited by itself is replaced.
_PAUSE = 1.0


def find_grpc() -> None:
    """Check that gRPC is installed, without importing it: a forked process must not inherit its threads.

    Raises:
        ModuleNotFoundError: grpc or protobuf is not installed.
    """
    for name in ("grpc", "google.protobuf"):
        try:
            found = find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}")


def run_processes(options: Options, number: int, on_ready: Callable[[], object] = lambda: None) -> int:
    """Run `number` processes until SIGINT or SIGTERM, and return the exit status.

    It is 1 if a process failed or some of its sockets did not end, else 0.

    Raises:
        ServerFailed: a port is in use, or this system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise ServerFailed("This system cannot fork: start several workers, each with its own port.")
    for address in filter(None, (options.address, options.bridge)):
        _require_free(address)
    connections.close_all()
    on_ready()
    return _Parent(options, number).run()


class _Parent:
    """Starts the processes, replaces those that exit, and stops all of them."""

    def __init__(self, options: Options, number: int) -> None:
        self._options, self._number = options, number
        self._children: set[int] = set()
        self._stopping = False

    def run(self) -> int:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._stop)
        for _ in range(self._number):
            self._fork()
        failed = False
        while self._children:
            child, status = os.wait()
            self._children.discard(child)
            if self._stopping:
                # A process that was still starting when it received the signal has no open sockets.
                failed |= os.waitstatus_to_exitcode(status) not in (0, -signal.SIGTERM, -signal.SIGINT)
                continue
            logger.error("process %s of the worker exited by itself and is replaced", child)
            time.sleep(_PAUSE)
            if not self._stopping:
                self._fork()
        return int(failed)

    def _fork(self) -> None:
        # Block signals until the new child is registered.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        child = os.fork()
        if child == 0:
            _work(self._options)
        self._children.add(child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)


def _work(options: Options) -> None:
    """Serve in a child process. This function never returns."""
    status = 1
    try:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        from .serving import serve

        status = int(asyncio.run(serve(options)) > 0)
    except BaseException:
        logger.exception("a process of the worker failed")
    finally:
        logging.shutdown()
        os._exit(status)


def _require_free(address: str) -> None:
    """Raise an error if another program uses the port. With a shared port, it would share the connections.

    Raises:
        ServerFailed: the port is in use.
    """
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise ServerFailed(f"cannot listen at {address}: {error.strerror or error}") from error
