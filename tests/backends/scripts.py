"""Programs of their own that publish: what happens at their end cannot be tried inside of pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from instant.backends import go_publisher
from instant.conf import conf

_ROOT = Path(__file__).parents[2]
_START = """
import os, signal, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from pathlib import Path
import django
from django.conf import settings
settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = {host!r}, {port!r}
settings.INSTANT_BROADCAST_WITH, settings.INSTANT_GO_SOCKET = {backend!r}, {socket!r}
settings.INSTANT_GO_RETRY_FOR = {retry_for!r}
django.setup()
from instant import flush, publish
from instant.backends import get_backend
if {backend!r} == "go":
    from instant.backends import go_publisher
    go_publisher.BINARY = Path({binary!r})
"""


def start(script: str) -> subprocess.Popen[str]:
    """Run it with the settings of this test; a warning is an error to it."""
    names = {
        "host": settings.CENTRIFUGO_HOST,
        "port": settings.CENTRIFUGO_PORT,
        "backend": settings.INSTANT_BROADCAST_WITH,
        "socket": conf.INSTANT_GO_SOCKET and str(conf.INSTANT_GO_SOCKET),
        "retry_for": conf.INSTANT_GO_RETRY_FOR,
        "binary": str(go_publisher.BINARY),
    }
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", _START.format(**names) + script]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, cwd=_ROOT, text=True, **pipes)


def run(script: str, status: int = 0) -> str:
    """Run it to its end; return what it wrote to stderr."""
    process = start(script)
    _, said = process.communicate(timeout=120)
    assert process.returncode == status, said
    return said
