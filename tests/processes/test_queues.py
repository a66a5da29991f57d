"""The battery: workers of Celery and RQ, whose jobs publish."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.benchmarks import redis
from tests.celery_apps import project
from tests.processes.conftest import MESSAGES, PATIENCE, WORKERS, arrived, assert_each_once, cases, need, running

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="Redis: no redis-server (apt-get install redis)"
)

#: Celery's pools, and the backend that `make test` tries them with.
POOLS: dict[str, tuple[object, str]] = {
    "prefork": (None, "thread"),
    "threads": (None, "go"),
    "solo": (None, "thread"),
    "gevent": (None, "thread"),
}
RQ: dict[str, tuple[object, str]] = {"rq": (None, "thread")}
#: The messages of one of RQ's jobs, each of which is a process.
BATCH = 5


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with redis.running() as address:
        yield address


@pytest.mark.parametrize(("pool", "backend"), cases(POOLS))
def test_celery(pool: str, backend: str, broker: str, environment: dict[str, str], tmp_path: Path) -> None:
    need(backend, "celery", *(["gevent"] if pool == "gevent" else []))
    queue = environment["PROCESSES_CHANNEL"]
    environment |= {"PROCESSES_BACKEND": backend, "PROCESSES_BROKER": broker}
    with project(broker) as app:
        for number in range(1, MESSAGES + 1):
            app.send_task("job", ([number],), queue=queue)
    command = [sys.executable, "-m", "celery", "-A", "tests.processes.site", "worker", "-P", pool, "-Q", queue]
    command += ["-c", str(WORKERS), "--without-gossip", "--without-mingle"]
    log = tmp_path / "log"
    with running(command, environment, log):
        arrived(queue)
    assert_each_once(environment, log.read_text())


@pytest.mark.parametrize("work", ["job", "job_of_threads"])
@pytest.mark.parametrize(("model", "backend"), cases(RQ))
def test_rq(model: str, backend: str, work: str, broker: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Each job is a process that ends by os._exit(): with "thread" publish() waits for the answer, and warns."""
    need(backend, model)
    from redis import Redis
    from rq import Queue

    environment |= {"PROCESSES_BACKEND": backend}
    name = environment["PROCESSES_CHANNEL"]
    with Redis.from_url(broker) as connection:
        queue = Queue(name, connection=connection)
        for first in range(1, MESSAGES + 1, BATCH):
            queue.enqueue(f"tests.processes.site.{work}", list(range(first, first + BATCH)))
        program = "import sys; from tests.processes import site; from rq.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "worker", "--url", broker, "--burst", name]
        log = tmp_path / "log"
        with ExitStack() as stack:
            for worker in [stack.enter_context(running(command, environment, log)) for _ in range(WORKERS)]:
                assert worker.wait(PATIENCE) == 0, log.read_text()
    assert ("So publish() waits for the server's response" in log.read_text()) == (backend == "thread")
    assert_each_once(environment, log.read_text())
