from __future__ import annotations

import ast
import functools
import gc
import importlib.util
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import caches
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from instant.centrifugo import history_positions
from instant.centrifugo.binary import reported_version
from instant.centrifugo.config import render
from instant.proxies.rate_limits import Buckets
from instant.revocation import repeating
from instant.sockets import registry as sockets
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from instant.views import login_throttle, token_rate
from instant.windows import registry
from tests.features import use_features
from tests.postgres import cluster, migrated_file, postgres, sqlite  # noqa: F401 - fixtures

# How long an example takes is the machine's business.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")


def _one_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    lock = threading.Lock()

    @functools.wraps(function)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            is_collecting = gc.isenabled()
            gc.disable()
            try:
                return function(*args, **kwargs)
            finally:
                if is_collecting:
                    gc.enable()

    return locked


# In Python 3.11.7 and older, two calls of ast.parse that overlap break each other: "AST constructor recursion depth
# mismatch" (https://github.com/python/cpython/issues/106905). The second one is that of another thread, or of the same
# thread, in a finalizer that the garbage collector runs: printing a traceback parses the lines of its frames.
ast.parse = _one_at_a_time(ast.parse)

#: `make quick` runs only tests that need no server, browser, database server or compiler. QUICK=devserver, for
#: `make mutants`, also runs those that need the devserver.
QUICK = bool(os.environ.get("QUICK"))
WITH_DEVSERVER = os.environ.get("QUICK") in (None, "", "devserver")
LARGE_FIXTURES = {"centrifugo", "cluster", "postgres", "go", "browser", "new_page"}
#: The kinds of servers that a test of this run used.
_tried: set[str] = set()


@pytest.fixture(autouse=True)
def settings_as_before() -> Iterator[None]:
    """`settings.X = …` of pytest-django within `override_settings()` would leave that in force for all who follow."""
    before = django_settings._wrapped
    yield
    assert django_settings._wrapped is before


@pytest.fixture(autouse=True)
def no_repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread repeats revocations behind a test's back; the test of the thread brings one of its own."""
    monkeypatch.setattr(repeating._repeater(), "start", lambda tenant: None)


@pytest.fixture(autouse=True)
def nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No failed log-in and no request for tokens of another test counts."""
    caches["default"].clear()
    login_throttle._local.renew()
    monkeypatch.setattr(token_rate, "requests", Buckets())


@pytest.fixture(autouse=True)
def patient_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no hanging server: pages wait longer for positions than they do in a site."""
    monkeypatch.setattr(history_positions, "TIMEOUT", 10.0)


@pytest.fixture(autouse=True)
def no_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module of tests imports puts no feature into use for the others, nor do signals outlive their test."""
    use_features(monkeypatch)
    monkeypatch.setattr(sockets, "_registered", dict(sockets._registered))
    monkeypatch.setattr(registry, "_connections", {name: [*found] for name, found in registry._connections.items()})


def need_server(kind: str) -> None:
    """Skip the test where this kind of server cannot be run."""
    if QUICK and (kind != "dev" or not WITH_DEVSERVER):
        pytest.skip("it needs a server, and this run is a quick one")
    if kind == "centrifugo" and shutil.which("centrifugo") is None:
        pytest.skip("Centrifugo: no binary on PATH")
    if kind == "dev" and importlib.util.find_spec("instant.devserver.thread") is None:
        pytest.skip("the devserver cannot be imported")
    _tried.add(kind)


@pytest.fixture(params=["dev", "centrifugo"])
def server_kind(request: pytest.FixtureRequest) -> str:
    """Each kind of server that can be run here."""
    need_server(request.param)
    return str(request.param)


@pytest.fixture
def namespaces() -> dict[str, Any]:
    """INSTANT_NAMESPACES of `server`; a module may have its own."""
    return {"chat": {"presence": True}}


@pytest.fixture
def server(server_kind: str, settings: Settings, namespaces: dict[str, Any]) -> Iterator[LiveServer]:
    """A running server of each kind, and Django's settings pointing at it."""
    # Not live_server(): its override_settings would end before that of a `settings` asked for earlier, and stay.
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    settings.INSTANT_NAMESPACES = namespaces
    running = LiveServer("dev" if server_kind == "dev" else "centrifugo", render())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def centrifugo() -> None:
    """For tests of the binary itself."""
    need_server("centrifugo")


def pytest_configure(config: pytest.Config) -> None:
    """Write the tests that fail to the file FAILED_TESTS, even if pytest itself is interrupted."""
    # In the background of a shell (`make test &`) SIGINT is ignored, and children would inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    path = os.environ.get("FAILED_TESTS")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_FailedTests(Path(path)))


class _FailedTests:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_text("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            with self._path.open("a") as file:
                file.write(json.dumps({"test": report.nodeid, "text": report.longreprtext}) + "\n")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `make quick` has no time for, or no program."""
    if not QUICK:
        return
    kept = [item for item in items if not _needs_more(item)]
    config.hook.pytest_deselected(items=[item for item in items if _needs_more(item)])
    items[:] = kept


def _needs_more(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    words = {value for value in values if isinstance(value, str)}
    if fixtures & LARGE_FIXTURES or {"postgres", "go"} & words:
        return True
    if fixtures & {"server", "server_kind"} and ("centrifugo" in words or not WITH_DEVSERVER):
        return True
    return any(item.get_closest_marker(name) for name in ("browser", "node", "slow"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tried"] = sorted(_tried)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a process of pytest-xdist which servers it tried."""
    _tried.update(getattr(node, "workeroutput", {}).get("tried", ()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say last which servers were tried: half of the tests are silent where there is no Centrifugo."""
    yield
    binary = shutil.which("centrifugo")
    names = ["devserver"] if "dev" in _tried else []
    if binary and "centrifugo" in _tried:
        names.append(f"Centrifugo {_version(Path(binary))} ({binary})")
    if names:
        terminalreporter.write_line(f"Servers tried: {', '.join(names)}")
    if binary is None:
        terminalreporter.write_line("Centrifugo: not on PATH, that half was skipped")


def _version(binary: Path) -> str:
    found = reported_version(binary)
    return "of a development build" if found == "0.0.0" else found
