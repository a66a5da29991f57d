"""The battery: each process model with one backend, and with PROCESSES=all each model with each backend."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from django.test import override_settings

from instant.backends import go_publisher
from instant.centrifugo import http
from instant.conf import conf
from instant.testing import LiveServer
from instant.testing.live_servers import free_port, wait_until_listening
from tests.backends.conftest import end, listener

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")

ROOT = Path(__file__).parents[2]
WORKERS, MESSAGES = 3, 150
PATIENCE = 60
BACKENDS = ("python", "thread", "go")
UWSGI = [
    "--http-socket=127.0.0.1:{port}",
    "--module=tests.processes.site:wsgi",
    "--master",
    "--die-on-term",
    "--need-app",
]
UWSGI += [f"--processes={WORKERS}", "--pythonpath={root}"]
GUNICORN = ["-m", "gunicorn", "tests.processes.site:wsgi", f"--workers={WORKERS}", "--bind=127.0.0.1:{port}"]
UVICORN = ["-m", "uvicorn", "tests.processes.site:asgi", f"--workers={WORKERS}", "--port={port}", "--log-level=warning"]
#: Servers: what starts them, and the backend that `make test` tries them with.
SERVERS: dict[str, tuple[list[str], str]] = {
    "uwsgi": (UWSGI, "go"),
    "uwsgi, threads": ([*UWSGI, "--enable-threads"], "thread"),
    "uwsgi, lazy": ([*UWSGI, "--lazy-apps"], "python"),
    "gunicorn sync": (GUNICORN, "thread"),
    "gunicorn sync, preloaded": ([*GUNICORN, "--preload"], "go"),
    "gunicorn gthread, preloaded": ([*GUNICORN, "--preload", "--threads=4"], "thread"),
    "uvicorn": (UVICORN, "thread"),
}
#: Programs: what they run after the site was imported, in children that send 1 to MESSAGES.
CHILDREN = """
def work(first):
    for number in range(first, {messages} + 1, {workers}):
        site.send(number)
"""
FORK = """
children = []
for first in range(1, {workers} + 1):
    pid = os.fork()
    if not pid:
        work(first)
        sys.exit()
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""
MULTIPROCESSING = """
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    children = [context.Process(target=work, args=(first,)) for first in range(1, {workers} + 1)]
    for child in children:
        child.start()
    for child in children:
        child.join()
"""
PROGRAMS: dict[str, tuple[str, str]] = {
    "os.fork": (FORK, "thread"),
    **{
        f"multiprocessing, {method}": (MULTIPROCESSING.replace("{method}", method), backend)
        for method, backend in (("fork", "go"), ("spawn", "thread"), ("forkserver", "python"))
    },
}
ALL = os.environ.get("PROCESSES") == "all"


def cases(models: dict[str, tuple[object, str]]) -> list[tuple[str, str]]:
    return [(name, backend) for name, (_, own) in models.items() for backend in (BACKENDS if ALL else [own])]


@pytest.fixture
def environment(server: LiveServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    with override_settings(CENTRIFUGO_PORT=server.port):
        yield {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "PROCESSES_PORT": str(server.port),
            "PROCESSES_KEY": conf.api_key,
            "PROCESSES_CHANNEL": f"processes{uuid.uuid4().hex[:12]}",
            "PROCESSES_SOCKET": str(tmp_path / "publisher.sock"),
        }
        with suppress(OSError):  # nobody has started it
            end(listener(tmp_path / "publisher.sock"))


def need(backend: str, *modules: str) -> None:
    if backend == "go" and not os.access(go_publisher.BINARY, os.X_OK):
        pytest.skip("no binary of the publisher for this machine")
    for module in modules:
        if importlib.util.find_spec(module) is None and not Path(sys.executable).with_name(module).exists():
            pytest.skip(f"{module}: not installed")


def arrived(channel: str, wanted: int) -> Counter[str]:
    """Return how often each message is in the channel's history, once so many are there."""
    until = time.monotonic() + PATIENCE
    while True:
        body = json.dumps({"channel": channel, "limit": 300}).encode()
        found = http.post("history", body, 10)["result"].get("publications", [])
        if len(found) >= wanted or time.monotonic() > until:
            return Counter(each["data"]["message"] for each in found)
        time.sleep(0.05)


def assert_each_once(environment: dict[str, str], said: str) -> None:
    """All numbers are there, and 0 as often as the site was imported."""
    found = arrived(environment["PROCESSES_CHANNEL"], MESSAGES + 1)
    found.pop("0", None)
    assert {number: found[number] for number in map(str, range(1, MESSAGES + 1)) if found[number] != 1} == {}, said


@pytest.mark.parametrize(("model", "backend"), cases(SERVERS), ids=lambda value: str(value))  # type: ignore[arg-type]
def test_servers(model: str, backend: str, environment: dict[str, str], tmp_path: Path) -> None:
    command = SERVERS[model][0]
    is_uwsgi = command is not GUNICORN and model.startswith("uwsgi")
    need(backend, "uwsgi" if is_uwsgi else model.split(maxsplit=1)[0])
    port = free_port()
    starter = (
        [str(Path(sys.executable).with_name("uwsgi")), f"--virtualenv={sys.prefix}"] if is_uwsgi else [sys.executable]
    )
    arguments = [part.format(port=port, root=ROOT) for part in command]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*starter, *arguments],
            cwd=ROOT,
            env={**environment, "PROCESSES_BACKEND": backend},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until_listening(port, process)
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda number: requests.get(f"http://127.0.0.1:{port}/{number}", timeout=PATIENCE),
                    range(1, MESSAGES + 1),
                )
            )
        assert {answer.status_code for answer in answers} == {200}
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
    assert len({answer.text for answer in answers}) > 1, "one worker answered all"
    assert_each_once(environment, log.read_text())


@pytest.mark.parametrize(("model", "backend"), cases(PROGRAMS), ids=lambda value: str(value))  # type: ignore[arg-type]
def test_programs(model: str, backend: str, environment: dict[str, str], tmp_path: Path) -> None:
    need(backend)
    program = tmp_path / "program.py"
    text = "import os, sys\nfrom tests.processes import site\n" + CHILDREN + PROGRAMS[model][0]
    program.write_text(text.replace("{workers}", str(WORKERS)).replace("{messages}", str(MESSAGES)))
    done = subprocess.run(
        [sys.executable, program], cwd=ROOT, env={**environment, "PROCESSES_BACKEND": backend},
        capture_output=True, text=True, timeout=2 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_each_once(environment, done.stderr)
