"""Settings of the worker and its server, at the addresses of BENCH_WORKER and BENCH_BRIDGE."""

import os

from tests.benchmarks.settings import *  # noqa: F403

INSTANT_ALLOW_ANONYMOUS = True
INSTANT_SOCKETS_URL = os.environ["BENCH_WORKER"]
INSTANT_SOCKETS_BRIDGE = os.environ["BENCH_BRIDGE"]
INSTANT_SOCKET_HANDLERS = {
    "plain": "tests.benchmarks.echo.handlers.Plain",
    "async": "tests.benchmarks.echo.handlers.Async",
    "figures": "tests.benchmarks.echo.handlers.Figures",
}
