"""apublish() over event loops: one session each, closed with its loop, and many calls at once."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from instant import apublish, apublish_many, publish
from instant.centrifugo import http
from instant.testing import LiveServer
from tests.fakes import fake_server
from tests.waiting import PATIENCE


async def some(channel: str) -> None:
    await asyncio.gather(*(apublish(channel, str(number), timeout=10) for number in range(20)))
    await apublish_many([{"channel": channel, "message": str(number)} for number in range(20)])


def offset(channel: str) -> int:
    return int(http.post("history", b'{"channel": "%b"}' % channel.encode(), PATIENCE)["result"]["offset"])


def test_two_loops_one_after_another(server: LiveServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for round_ in (1, 2):
            asyncio.run(some("$loops"))
            gc.collect()  # an unclosed session warns when it is collected, and pytest fails for it
            assert offset("$loops") == 40 * round_
    assert http._sessions == {}


def test_a_sync_view_that_calls_it(server: LiveServer) -> None:
    for _ in range(3):
        async_to_sync(some)("$views")
        gc.collect()
    assert offset("$views") == 120
    assert http._sessions == {}


async def test_sync_and_async_side_by_side(server: LiveServer) -> None:
    await asyncio.gather(some("$both"), asyncio.to_thread(publish, "$both", "from a thread"))
    assert offset("$both") == 41


@pytest.mark.django_db(transaction=True)
async def test_on_commit_sees_djangos_own_transaction() -> None:
    """Django's transactions live in the thread of sync_to_async, where a plain call on the loop would not see them."""
    from asgiref.sync import sync_to_async

    with fake_server() as server:
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        await apublish("c", "later", on_commit=True)
        assert server.requests == []
        await sync_to_async(atomic.__exit__)(None, None, None)
    assert [request.json["data"]["message"] for request in server.requests] == ["later"]


@pytest.mark.django_db(transaction=True)
async def test_on_commit_is_dropped_with_djangos_own_transaction() -> None:
    from asgiref.sync import sync_to_async

    with fake_server() as server:
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        await apublish("c", "never", on_commit=True)
        await sync_to_async(atomic.__exit__)(ValueError, ValueError(), None)
    assert server.requests == []
