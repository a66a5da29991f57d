"""The parts of Django and the standard library that are private, and that we use all the same: are they still there?

Each is used by one module of ours. The versions below are those that were tried; where a newer one changes such a part,
this file fails first, and only one module needs a change.
"""

from __future__ import annotations

import ast
import io
import sys
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings

from instant import transaction_internals
from instant.centrifugo.fast_response import FastResponse
from instant.conf import settings_internals

PACKAGE = Path(settings_internals.__file__).parents[1]
#: The versions that were tried: the first and the last.
DJANGO = ((4, 2), (6, 1))
PYTHON = ((3, 10), (3, 14))
#: The names that are private to others, and the one module of ours that may use each.
HOMES = {
    "_wrapped": "conf/settings_internals.py",
    "savepoint_ids": "transaction_internals.py",
    "run_on_commit": "transaction_internals.py",
    "atomic_blocks": "transaction_internals.py",
    "_from_testcase": "transaction_internals.py",
    "chunk_left": "centrifugo/fast_response.py",
    "will_close": "centrifugo/fast_response.py",
}


def test_these_versions_were_tried() -> None:
    assert DJANGO[0] <= django.VERSION[:2] <= DJANGO[1], "try the tests of this file, then name the version above"
    assert PYTHON[0] <= sys.version_info[:2] <= PYTHON[1], "try the tests of this file, then name the version above"


@pytest.mark.parametrize("name", HOMES)
def test_each_private_name_has_one_home(name: str) -> None:
    def uses(path: Path) -> bool:
        return any(
            (isinstance(node, ast.Attribute) and node.attr == name)
            or (isinstance(node, ast.Constant) and node.value == name)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )

    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if uses(path)}
    assert found - {"on_commit.py"} == {HOMES[name]}  # on_commit.py has a `savepoint_ids` of its own


class TestSettings:
    def test_they_are_read_as_django_reads_them(self) -> None:
        assert settings_internals.read("SECRET_KEY", None) == settings.SECRET_KEY
        assert settings_internals.read("NO_SUCH_SETTING", "default") == "default"

    def test_an_override_is_seen_at_once(self) -> None:
        with override_settings(SITE_NAME="another"):
            assert settings_internals.read("SITE_NAME", None) == "another"
            with override_settings():
                del settings.SITE_NAME
                assert settings_internals.read("SITE_NAME", "default") == "default"


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_savepoints_and_blocks(self) -> None:
        with transaction.atomic() as _:
            outermost = transaction_internals.outermost_block(connection)
            assert outermost is not None
            assert transaction_internals.savepoints(connection) == []
            with transaction.atomic():
                (sid,) = transaction_internals.savepoints(connection)
                assert isinstance(sid, str)
                assert transaction_internals.outermost_block(connection) is outermost
                assert transaction_internals.is_open(connection, outermost)
            with transaction.atomic(savepoint=False):
                assert transaction_internals.savepoints(connection) == [None]
        assert not transaction_internals.is_open(connection, outermost)

    def test_registered_work(self) -> None:
        done: list[str] = []

        def work() -> None:
            done.append("here")

        with transaction.atomic():
            transaction.on_commit(work, robust=True)
            ((sids, function, robust),) = transaction_internals.registered(connection)
            assert (sids, function, robust) == (set(), work, True)
            assert transaction_internals.registered(connection) is connection.run_on_commit, "Django's own list"
        assert done == ["here"]


@pytest.mark.django_db
def test_the_block_of_a_test_case_does_not_commit() -> None:
    assert transaction_internals.outermost_block(connection) is None


class Socket:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, mode: str) -> Any:
        return io.BufferedReader(io.BytesIO(self.content))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: x\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n#",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_a_fast_response_has_the_fields_of_an_ordinary_one(head: bytes) -> None:
    def read(kind: type[HTTPResponse]) -> dict[str, Any]:
        response = kind(Socket(head + b"{}"))  # type: ignore[arg-type]
        response.begin()
        fields = ["status", "code", "version", "reason", "chunked", "length", "will_close"]
        fields += ["chunk_left"] * response.chunked  # of no use elsewhere
        return {**{name: getattr(response, name) for name in fields}, "body": response.read()}

    fast, ordinary = read(FastResponse), read(HTTPResponse)
    assert fast == ordinary
