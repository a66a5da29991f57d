"""The battery: each process model with one backend, and with PROCESSES=all each model with each backend."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from instant.testing.live_servers import free_port, wait_until_listening
from tests.processes.conftest import (
    MESSAGES,
    PATIENCE,
    ROOT,
    WORKERS,
    assert_each_once,
    cases,
    need,
    running,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")

PYTHON = sys.executable
UWSGI = [
    str(Path(PYTHON).with_name("uwsgi")),
    f"--virtualenv={sys.prefix}",
    "--http-socket=127.0.0.1:{port}",
    "--module=tests.processes.site:wsgi",
    "--master",
    "--die-on-term",
    "--need-app",
]
UWSGI += [f"--processes={WORKERS}", f"--pythonpath={ROOT}"]
GUNICORN = [PYTHON, "-m", "gunicorn", "tests.processes.site:wsgi", f"--workers={WORKERS}", "--bind=127.0.0.1:{port}"]
#: Longer than the tests wait: a worker that does not end by itself is a failure.
GUNICORN += ["--graceful-timeout=120"]
GEVENT = [*GUNICORN, "--worker-class=gevent"]
UVICORN = [PYTHON, "-m", "uvicorn", "tests.processes.site:asgi", f"--workers={WORKERS}", "--port={port}"]
UVICORN += ["--log-level=warning"]
#: Several of them share a socket, as under a supervisor.
DAPHNE = [PYTHON, "-m", "daphne", "--fd={fd}", "tests.processes.site:asgi"]
#: Servers: what starts them, and the backend that `make test` tries them with.
SERVERS: dict[str, tuple[list[str], str]] = {
    "uwsgi": (UWSGI, "go"),
    "uwsgi, threads": ([*UWSGI, "--enable-threads"], "thread"),
    "uwsgi, lazy": ([*UWSGI, "--lazy-apps"], "python"),
    "gunicorn sync": (GUNICORN, "thread"),
    "gunicorn sync, preloaded": ([*GUNICORN, "--preload"], "go"),
    "gunicorn gthread": ([*GUNICORN, "--threads=4"], "python"),
    "gunicorn gthread, preloaded": ([*GUNICORN, "--preload", "--threads=4"], "thread"),
    "gunicorn gevent": (GEVENT, "go"),
    "gunicorn gevent, preloaded": ([*GEVENT, "--preload"], "thread"),
    "uvicorn": (UVICORN, "thread"),
    "daphne": (DAPHNE, "go"),
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


@contextmanager
def serving(command: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run the server, or WORKERS of those that share a socket; it is its address."""
    with ExitStack() as stack:
        if command is not DAPHNE:
            port = free_port()
            process = stack.enter_context(running([part.format(port=port) for part in command], environment, log))
            wait_until_listening(port, process)
        else:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port, fd = listener.getsockname()[1], listener.fileno()
            for _ in range(WORKERS):
                arguments = [part.format(fd=fd) for part in command]
                stack.enter_context(running(arguments, environment, log, pass_fds=[fd]))
        yield f"http://127.0.0.1:{port}"


def wait_for_workers(address: str) -> None:
    """A worker of gunicorn that is told to end before it has begun does not."""
    until, seen = time.monotonic() + PATIENCE, set()
    while len(seen) < WORKERS and time.monotonic() < until:
        with suppress(requests.ConnectionError), ThreadPoolExecutor(WORKERS) as pool:
            seen |= set(pool.map(lambda _: requests.get(f"{address}/0", timeout=PATIENCE).text, range(WORKERS)))
    assert len(seen) == WORKERS


@pytest.mark.parametrize(("model", "backend"), cases(SERVERS), ids=lambda value: str(value))  # type: ignore[arg-type]
def test_servers(model: str, backend: str, environment: dict[str, str], tmp_path: Path) -> None:
    command, log = SERVERS[model][0], tmp_path / "log"
    need(backend, model.split(maxsplit=1)[0].rstrip(","), *(["gevent"] if "gevent" in model else []))
    with serving(command, {**environment, "PROCESSES_BACKEND": backend}, log) as address, ThreadPoolExecutor(8) as pool:
        wait_for_workers(address)
        numbers = range(1, MESSAGES + 1)
        answers = list(pool.map(lambda number: requests.get(f"{address}/{number}", timeout=PATIENCE), numbers))
    assert {answer.status_code for answer in answers} == {200}, log.read_text()
    assert_each_once(environment, log.read_text())


@pytest.mark.parametrize(("model", "backend"), cases(PROGRAMS), ids=lambda value: str(value))  # type: ignore[arg-type]
def test_programs(model: str, backend: str, environment: dict[str, str], tmp_path: Path) -> None:
    need(backend)
    program = tmp_path / "program.py"
    text = "import os, sys\nfrom tests.processes import site\n" + CHILDREN + PROGRAMS[model][0]
    program.write_text(text.replace("{workers}", str(WORKERS)).replace("{messages}", str(MESSAGES)))
    done = subprocess.run(
        [PYTHON, program], cwd=ROOT, env={**environment, "PROCESSES_BACKEND": backend},
        capture_output=True, text=True, timeout=2 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_each_once(environment, done.stderr)
