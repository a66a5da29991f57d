"""The package works where a system has no `fcntl`, no `fork` and no Unix sockets, as Windows."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from instant.testing import LiveServer, live_server

ROOT = Path(__file__).parents[2]
#: Modules that may need what is hidden, each with the reason.
MAY_FAIL = {
    "instant.backends.go": "speaks to the Go publisher through a Unix socket",
    "instant.backends.go_connection": "writes to the Go publisher through a Unix socket",
    "instant.backends.go_publisher": "starts the Go publisher, guarded by a lock of fcntl",
}
#: Packages that a site need not install.
OPTIONAL = ("celery", "kombu", "grpc", "google", "orjson", "psycopg")


def _hidden(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "tests.structure.hidden_platform", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_each_module_can_be_imported() -> None:
    done = _hidden("import")
    assert done.returncode == 0, done.stderr
    optional = tuple(f"ModuleNotFoundError: No module named '{package}" for package in OPTIONAL)
    failed = {
        name: error
        for name, error in json.loads(done.stdout).items()
        if name not in MAY_FAIL and not error.startswith(optional)
    }
    text = "\n".join(f"{name}: {error}" for name, error in failed.items())
    assert not failed, f"{len(failed)} modules cannot be imported where only Unix's own modules are missing:\n{text}"


@pytest.mark.parametrize("module", MAY_FAIL)
def test_each_exception_is_a_module(module: str) -> None:
    assert importlib.util.find_spec(module), f"{module} is in MAY_FAIL and is not a module: remove it"


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with live_server() as running:
        yield running


def test_instantstatus_works(server: LiveServer) -> None:
    done = _hidden(
        "--set=CENTRIFUGO_HOST=" + json.dumps("http://127.0.0.1"),
        f"--set=CENTRIFUGO_PORT={server.port}",
        '--set=INSTANT_BROADCAST_WITH="python"',
        *("manage", "instantstatus", "--json"),
    )
    assert done.returncode == 0, done.stderr or done.stdout
    assert json.loads(done.stdout)["server"]["nodes"] == 1


def test_check_works() -> None:
    done = _hidden('--set=INSTANT_BROADCAST_WITH="python"', "manage", "check")
    assert done.returncode == 0, done.stderr


def test_check_names_a_backend_that_the_platform_lacks() -> None:
    done = _hidden('--set=INSTANT_BROADCAST_WITH="go"', "manage", "check")
    assert done.returncode != 0
    assert "instant.E003" in done.stderr
    assert "which this platform does not have" in done.stderr
    assert 'use "thread" instead' in done.stderr


def test_the_modules_and_names_are_hidden() -> None:
    code = (
        "from tests.structure import hidden_platform as hidden\n"
        "hidden.hide()\n"
        "import asyncio, importlib, tempfile\n"
        "for name in hidden.MODULES:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ImportError:\n"
        "        continue\n"
        "    raise SystemExit(name)\n"
        "assert not any(hasattr(module, name) for module, name in hidden.NAMES)\n"
        "asyncio.run(asyncio.sleep(0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
