"""A PostgreSQL of our own for the outbox: the cluster of the tests."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NoDatabase(Exception):
    """There is no PostgreSQL here; the text says why."""


@contextmanager
def cluster() -> Iterator[Mapping[str, Any]]:
    """Run a cluster for as long as the block runs, and return an entry of DATABASES.

    Raises:
        NoDatabase: see there.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise NoDatabase("psycopg is not installed")
    import pytest

    from tests.postgres import Cluster

    folder = Path(tempfile.mkdtemp(prefix="instant-bench-"))
    running = Cluster(folder)
    try:
        try:
            running.start()
        except pytest.skip.Exception as error:  # it is made for tests
            raise NoDatabase(str(error)) from error
        try:
            yield {key: value for key, value in running.settings(running.create()).items() if value is not None}
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
