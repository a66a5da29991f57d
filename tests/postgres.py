"""A PostgreSQL of our own for the tests: a private cluster in a temporary folder, ended with the session.

`cluster` starts it, once; `postgres` is a fresh database with our tables, to which all models are routed, so that what
a test commits is committed. Import both into the module of the test.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.backends.signals import connection_created

from instant.testing.live_servers import free_port
from tests.waiting import PATIENCE


def _program(name: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)
    if found is None:
        pytest.skip(f"PostgreSQL: no {name} on PATH (Debian: apt-get install postgresql)")
    return os.path.realpath(found)


class Cluster:
    """A running PostgreSQL on 127.0.0.1, and on a Unix socket in its folder `data`."""

    user = "instant"
    password = "p@ss:w/ord%"

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.template = ""
        # It refuses to run as root.
        self._as = {"user": pwd.getpwnam(_unprivileged()).pw_uid, "extra_groups": []} if os.geteuid() == 0 else {}

    def start(self) -> None:
        initdb = _program("initdb")
        if self._as:
            os.chown(self.folder, int(str(self._as["user"])), -1)
        data, secret = self.folder / "data", self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        command = [initdb, "-D", data, "-U", self.user, "-A", "scram-sha-256", "--pwfile", secret]
        command += ["-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False, **self._as)
        assert done.returncode == 0, done.stderr
        self.restart()

    def restart(self) -> None:
        """Start the server on the data that are there."""
        data, postgres = self.folder / "data", _program("postgres")
        options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"]
        # Without fsync alone: what a commit costs must not depend on the disk of the day.
        options += ["-c", "fsync=off", "-c", "max_connections=60"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [postgres, "-D", data, *options], stdout=log, stderr=log, cwd=self.folder, **self._as
            )
        self._wait()

    def _wait(self) -> None:
        from psycopg import OperationalError

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect("postgres").close()
            except OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        self._process.terminate()  # a smart shutdown waits for clients
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
            return
        self._process.send_signal(2)
        self._process.wait(PATIENCE)

    def connect(self, name: str) -> Any:
        """A connection of its own, in autocommit."""
        import psycopg

        place: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "dbname": name}
        return psycopg.connect(**place, user=self.user, password=self.password, autocommit=True)

    def settings(self, name: str) -> dict[str, Any]:
        """An entry of DATABASES."""
        place = {"HOST": "127.0.0.1", "PORT": str(self.port), "USER": self.user, "PASSWORD": self.password}
        return {**connections.databases["default"], "ENGINE": "django.db.backends.postgresql", "NAME": name, **place}

    def execute(self, sql: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(sql)

    def create(self, template: str = "template1") -> str:
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def migrated(self) -> str:
        """The name of a database with all tables, to copy."""
        if not self.template:
            self.template = self.create()
            with opened(self.settings(self.template)) as alias:
                call_command("migrate", database=alias, verbosity=0)
        return self.template


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return getpass.getuser()


@contextmanager
def opened(settings: dict[str, Any]) -> Iterator[str]:
    """Give the database an alias of its own; at the end the connections of all threads are closed."""
    alias, made = f"own_{uuid.uuid4().hex}", []

    def remember(connection: Any, **_: Any) -> None:
        if connection.alias == alias:
            made.append(connection.connection)

    connection_created.connect(remember)
    connections.databases[alias] = settings
    try:
        yield alias
    finally:
        connection_created.disconnect(remember)
        for each in made:
            each.close()
        with suppress(AttributeError):  # it was used in other threads only
            del connections[alias]
        del connections.databases[alias]


class Router:
    """All models are in one database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, model: object, **hints: object) -> str:
        return self.alias

    db_for_write = db_for_read


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("psycopg", reason="PostgreSQL: psycopg is not installed")
    folder = Path(tempfile.mkdtemp(prefix="instant-postgres-"))
    try:
        running = Cluster(folder)
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(cluster: Cluster, settings: Any, django_db_blocker: Any, django_db_setup: None) -> Iterator[str]:
    """The alias of a fresh database on PostgreSQL that has all tables, and all models."""
    with django_db_blocker.unblock():
        name = cluster.create(cluster.migrated())
        try:
            with opened(cluster.settings(name)) as alias:
                settings.DATABASE_ROUTERS = [Router(alias)]
                yield alias
        finally:
            cluster.drop(name)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any, django_db_setup: None) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    with django_db_blocker.unblock(), opened(_in_file(path)) as alias:
        call_command("migrate", database=alias, verbosity=0)
    return path


def _in_file(path: Path) -> dict[str, Any]:
    return {**connections.databases["default"], "NAME": str(path)}


@pytest.fixture
def sqlite(tmp_path: Path, settings: Any, django_db_blocker: Any, migrated_file: Path) -> Iterator[str]:
    """The alias of a fresh database in the file `db.sqlite3`, that other threads and processes may use."""
    path = shutil.copy(migrated_file, tmp_path / "db.sqlite3")
    with django_db_blocker.unblock(), opened(_in_file(path)) as alias:
        settings.DATABASE_ROUTERS = [Router(alias)]
        yield alias
