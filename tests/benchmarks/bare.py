"""`python -m tests.benchmarks.bare PATH CHANNEL COUNT WARM_UP`: the yardsticks, which send the bytes that ours send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

import django
import urllib3

from .paths import BATCH, TEXT
from .timing import report, timed


def commands(channel: str, count: int) -> list[bytes]:
    """The bodies of `publish` calls, each with a key of its own: the server takes a key once."""
    from instant import Message

    return [Message(channel, TEXT).command() for _ in range(count)]


def _batches(items: Sequence[dict]) -> Iterator[bytes]:
    wrapped = [{"publish": item} for item in items]
    for start in range(0, len(wrapped), BATCH):
        yield json.dumps({"commands": wrapped[start : start + BATCH]}, separators=(",", ":")).encode()


def _post_all(pool: urllib3.HTTPConnectionPool, path: str, bodies: Iterable[bytes]) -> None:
    headers = {"X-API-Key": os.environ["BENCH_API_KEY"], "Content-Type": "application/json"}
    for body in bodies:
        answer = pool.urlopen("POST", path, body, headers)
        if answer.status != 200:
            raise SystemExit(f"HTTP {answer.status}")


def _pool() -> urllib3.HTTPConnectionPool:
    address = urlsplit(os.environ["BENCH_URL"])
    kind = urllib3.HTTPSConnectionPool if address.scheme == "https" else urllib3.HTTPConnectionPool
    return kind(address.hostname or "", address.port)


def by_urllib3(channel: str, count: int, warm_up: int) -> Callable[[], None]:
    """A request for each message over one kept connection: the least that a loop in Python costs."""
    pool, bodies = _pool(), commands(channel, count)
    _post_all(pool, "/api/publish", commands(f"{channel}_warm", warm_up))
    return partial(_post_all, pool, "/api/publish", bodies)


def by_urllib3_batch(channel: str, count: int, warm_up: int) -> Callable[[], None]:
    """A request for each 1,000 messages, which are dicts when the clock starts: somebody has to write them as JSON."""
    pool, items = _pool(), [json.loads(command) for command in commands(channel, count)]
    _post_all(pool, "/api/batch", _batches([json.loads(command) for command in commands(f"{channel}_warm", warm_up)]))
    return lambda: _post_all(pool, "/api/batch", _batches(items))


def _requests(channel: str, count: int) -> list:
    import cent

    bodies = [json.loads(command) for command in commands(channel, count)]
    return [cent.PublishRequest(**body) for body in bodies]


def _cent() -> object:
    import cent

    return cent.Client(f"{os.environ['BENCH_URL']}/api", os.environ["BENCH_API_KEY"], timeout=60)


def by_cent(channel: str, count: int, warm_up: int) -> Callable[[], None]:
    """The official client's publish()."""
    client, requests = _cent(), _requests(channel, count)

    def loop(items: list) -> None:
        for item in items:
            client.publish(item)

    loop(_requests(f"{channel}_warm", warm_up))
    return partial(loop, requests)


def by_cent_batch(channel: str, count: int, warm_up: int) -> Callable[[], None]:
    """The official client's batch()."""
    import cent

    client, requests = _cent(), _requests(channel, count)

    def loop(items: list) -> None:
        for start in range(0, len(items), BATCH):
            client.batch(cent.BatchRequest(requests=items[start : start + BATCH]))

    loop(_requests(f"{channel}_warm", warm_up))
    return partial(loop, requests)


def ceiling(channel: str, count: int, warm_up: int) -> dict[str, float | None]:
    """The Go program of `ceiling/`; its own clock starts when it has all in memory, and its connections are open."""
    lines = b"\n".join(b'{"publish":%b}' % item for item in commands(channel, count))
    url, key = os.environ["BENCH_URL"], os.environ["BENCH_API_KEY"]
    done = subprocess.run(
        [os.environ["BENCH_CEILING"], "-url", url, "-batch", str(BATCH)],
        input=lines,
        capture_output=True,
        env={**os.environ, "CEILING_KEY": key},
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    return {"caller": None, "total": json.loads(done.stdout)["seconds"]}


WAYS = {"urllib3": by_urllib3, "urllib3-batch": by_urllib3_batch, "cent": by_cent, "cent-batch": by_cent_batch}


def main() -> None:
    """Prepare all bytes, warm up, run one path with the clock, and report."""
    path, channel, count, warm_up = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    django.setup()
    figures = ceiling(channel, count, warm_up) if path == "ceiling" else timed(WAYS[path](channel, count, warm_up))
    report(messages=count, **figures)


if __name__ == "__main__":
    main()
