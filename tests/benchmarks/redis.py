"""A Redis of our own, for the packages that need one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running() -> Iterator[str]:
    """Run redis-server on a free port, without files, for as long as the block runs; it is its address."""
    from instant.centrifugo import process
    from instant.testing.live_servers import free_port, wait_until_listening

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until_listening(port, child)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.end(child)
