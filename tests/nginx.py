"""A real nginx with a block of the documentation."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from instant.testing.live_servers import wait_until_listening
from tests.waiting import PATIENCE

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def need_nginx() -> None:
    if PROGRAM is None:
        pytest.skip("nginx: not on PATH")


@contextmanager
def running(folder: Path, block: str, port: int) -> Iterator[None]:
    """Run nginx with `block` as the content of `http`; the block makes it listen on 127.0.0.1:`port`."""
    assert PROGRAM is not None
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/pid; daemon off; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 2048; }}\n"
        f"http {{ access_log off; {folders}\n{block}\n}}\n"
    )
    command = [PROGRAM, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until_listening(port, process)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)
