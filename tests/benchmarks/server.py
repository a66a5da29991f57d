"""The server that is measured: the one that --server names, else Centrifugo where it is on PATH, else the devserver."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import publisher

#: Sockets of 1,000 subscribers and more.
OPEN_FILES = 8192


@dataclass
class Server:
    """A running server. Without `hmac_key` nobody can subscribe, without `pid` nobody can see its memory."""

    name: str
    url: str
    api_key: str
    hmac_key: str | None = None
    pid: int | None = None
    #: Django's database of the outbox, where the server reads one.
    database: Mapping[str, Any] | None = None
    missing: dict[str, str] = field(default_factory=dict)
    #: Of its processes, besides what all have.
    further: dict[str, str] = field(default_factory=dict)

    def environment(self, backend: str = "python") -> dict[str, str]:
        """Return the environment of a process that publishes to it."""
        ours = {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "BENCH_URL": self.url,
            "BENCH_API_KEY": self.api_key,
            "BENCH_BACKEND": backend,
        }
        if self.hmac_key:
            ours["BENCH_HMAC_KEY"] = self.hmac_key
        if backend == "outbox" and self.database:
            ours["BENCH_DATABASE"] = json.dumps(self.database)
        return {**os.environ, **ours, **self.further}

    def lacks(self, backend: str) -> str | None:
        """Return why nothing can be sent by this backend, or None."""
        from instant.backends import ALIASES

        module = ALIASES.get(backend, "").rpartition(".")[0]
        if not module or importlib.util.find_spec(module) is None:
            return f"there is no backend {backend!r} yet"
        if backend == "go" and not publisher.is_built():
            return "the publisher is not built: `make go`"
        return self.missing.get(backend)


@contextmanager
def running(url: str | None, api_key: str | None, hmac_key: str | None, *, outbox: bool) -> Iterator[Server]:
    """Run the server for as long as the block runs, or take that of `url` as it is."""
    _allow_many_files()
    with ExitStack() as stack:
        if url:
            given = Server(f"the server at {url}", url.rstrip("/"), api_key or "", hmac_key)
            given.missing["outbox"] = "a given server does not read our database"
            server = given
        else:
            server = _started(stack, outbox)
        os.environ.update(server.environment(), BENCH_GO_SOCKET=stack.enter_context(publisher.own_socket()))
        yield server


def _started(stack: ExitStack, outbox: bool) -> Server:
    server = planned()
    if outbox:
        _with_database(stack, server, shutil.which("centrifugo"))
    start(stack, server)
    return server


def planned() -> Server:
    """Return a server of our own that does not run yet."""
    from instant.testing.live_servers import free_port

    return Server("devserver", f"http://127.0.0.1:{free_port()}", secrets.token_hex(16), secrets.token_hex(32))


def start(stack: ExitStack, server: Server) -> None:
    """Render its config, and run it until `stack` closes."""
    binary = shutil.which("centrifugo")
    config = _config(server)
    if binary:
        config["prometheus"] = {"enabled": True}
        config["log"] = {"level": "error"}
        command = [binary, "-c"]
        version = subprocess.run([binary, "version"], capture_output=True, text=True, check=False).stdout.strip()
        server.name = f"{version.partition(' (')[0]} ({binary})"
    else:
        command = [sys.executable, "-m", "instant.devserver"]
    _run(stack, server, command, config)


def _with_database(stack: ExitStack, server: Server, binary: str | None) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.settings"
    from . import database

    if binary is None:
        server.missing["outbox"] = "the devserver reads no database"
        return
    try:
        server.database = stack.enter_context(database.cluster())
    except database.NoDatabase as error:
        server.missing["outbox"] = str(error)


def _config(server: Server) -> dict[str, Any]:
    """Render in a process of its own: settings are read once, and there may be a database to migrate first."""
    backend = "outbox" if server.database else "python"
    command = [sys.executable, "-m", "tests.benchmarks.config", server.url.rpartition(":")[2]]
    done = subprocess.run(command, env=server.environment(backend), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the server's config cannot be rendered:\n{done.stderr}")
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def _run(stack: ExitStack, server: Server, command: list[str], config: Mapping[str, Any]) -> None:
    from instant.centrifugo import process
    from instant.testing.live_servers import wait_until_listening

    path: Path = stack.enter_context(process.config_file(config))
    child = subprocess.Popen([*command, path], stdout=subprocess.DEVNULL, env=process.environment())
    stack.callback(process.end, child)
    wait_until_listening(config["http_server"]["port"], child)
    server.pid = child.pid


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
