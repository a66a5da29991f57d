"""The Go publisher of a run: it outlives the processes that publish, so it is looked for by its socket, and ended."""

from __future__ import annotations

import os
import signal
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BINARY = Path(__file__).parents[2] / "instant" / "go" / "bin" / "publisher"
_CREDENTIALS = struct.Struct("3i")


@contextmanager
def own_socket() -> Iterator[str]:
    """Name a socket that no other publisher of this machine has; who listens there in the end is ended."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = str(Path(folder) / "go.sock")
        try:
            yield path
        finally:
            pid = listener(path)
            if pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def is_built() -> bool:
    """Whether there is a program to start."""
    return BINARY.exists()


def listener(path: str | None) -> int | None:
    """Return the process that listens at this path; None where nobody does, or the system does not tell."""
    if not path or not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return None
        pid, _, _ = _CREDENTIALS.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid or None
