"""No input causes a status of 500, a traceback or a hang: random requests, calls and frames.

`make test` runs 2,000 cases. More: `FUZZ_CASES=100000 pytest tests/security/test_fuzzing.py`.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import Settings

from instant.access.tokens import connection_token
from instant.centrifugo.config import render
from instant.conf import conf
from instant.devserver import errors
from instant.devserver.rpc_proxy import reply
from instant.devserver.thread import ThreadedDevServer
from instant.models import Channel
from instant.testing.live_servers import free_port
from instant.views import tokens
from instant.views.json_views import Refused
from instant.windows import WindowInfo, everyone, is_authenticated, registry, signal
from tests.features import use_features
from tests.sockets import handlers
from tests.sockets.running import RunningWorker
from tests.waiting import until

from . import fuzzing, fuzzing_frames, fuzzing_http
from .fuzzing_frames import Connection, frame

pytestmark = pytest.mark.slow


@pytest.fixture
def site(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that uses windows and signals, without limits of rates."""
    use_features(monkeypatch, windows=True)
    monkeypatch.setattr(registry, "_connections", {})
    settings.INSTANT_BROADCAST_WITH = "memory"  # what a log-out revokes on commit is never sent: no test commits
    settings.ALLOWED_HOSTS = ["*"]
    settings.INSTANT_TOKEN_RATE = settings.INSTANT_RPC_RATE = None
    settings.INSTANT_ALLOW_ANONYMOUS = True
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="$staff", level="staff")
    _connect_signals()


def _connect_signals() -> None:
    @signal("fuzz.echo", is_allowed_to=everyone)
    def echo(window_info: WindowInfo, value: Any = None, **others: Any) -> Any:
        return [value, others]

    @signal("fuzz.typed", is_allowed_to=everyone)
    def typed(
        window_info: WindowInfo,
        number: int = 0,
        share: float = 0,
        flag: bool = False,
        amount: Decimal = Decimal(0),
        key: UUID | None = None,
    ) -> Any:
        return [number, share, flag, str(amount), str(key)]

    @signal("fuzz.dates", is_allowed_to=everyone)
    def dates(
        window_info: WindowInfo, day: datetime.date | None = None, moment: datetime.datetime | None = None,
        span: datetime.timedelta | None = None, clock: datetime.time | None = None,
    ) -> Any:  # fmt: skip
        return [str(day), str(moment), str(span), str(clock)]

    @signal("fuzz.lists", is_allowed_to=everyone)
    def lists(
        window_info: WindowInfo,
        numbers: list[int] | None = None,
        table: dict[str, int] | None = None,
        choice: Literal["a", "b"] = "a",
        either: int | str = 1,
    ) -> Any:
        return [numbers, table, choice, either]

    @signal("fuzz.window", is_allowed_to=is_authenticated)
    def window(window_info: WindowInfo) -> Any:
        return [window_info.user.get_username(), window_info.window_key]

    @signal("fuzz.server")
    def server(window_info: WindowInfo) -> None:
        pass


def _is_of_django(record: logging.LogRecord) -> bool:
    """Whether Django itself reports a request that it refuses, or the body that it cannot read, with a 400 or 413."""
    if record.name.startswith("django.security"):
        return True
    return record.name == "django.request" and record.levelno < logging.ERROR


@pytest.mark.django_db
@pytest.mark.parametrize(("endpoint", "share"), [("any", 0.55), ("rpc", 0.15), ("get_token", 0.05)])
def test_requests(site: None, endpoint: str, share: float) -> None:
    browsers, name = fuzzing_http.Browsers(), f"requests-{endpoint}"
    found = fuzzing.Found(name)
    with fuzzing.watched(_is_of_django) as faults:
        for number in fuzzing.numbers(share):
            rng = fuzzing.source(name, number)
            request = fuzzing_http.Request(rng, number, browsers.blobs, None if endpoint == "any" else endpoint)
            found.check([*filter(None, [fuzzing_http.problem(request, browsers)]), *faults.take()], number, request)
    found.report()
    for client in (browsers.of(who, strict=False) for who in browsers.users):
        assert client.get("/instant/get_token/").status_code == 200


# The instrument itself.


def _fails(name: str, share: float) -> list[str]:
    """Return the faults of requests that are found when a view is broken on purpose."""
    browsers, found = fuzzing_http.Browsers(), list[str]()
    with fuzzing.watched(_is_of_django) as faults:
        for number in range(round(fuzzing.CASES * share)):
            request = fuzzing_http.Request(fuzzing.source(name, number), number, browsers.blobs, "subscribe")
            found += [*filter(None, [fuzzing_http.problem(request, browsers)]), *faults.take()]
    return found


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("place", "broken", "wanted"),
    [
        ("names_in", lambda value: value.strip(), "status 500"),
        ("names_in", lambda value: logging.getLogger("instant").error("no") if value else None, "ERROR instant no"),
        ("require_token_rate", lambda request: _refuse_without_reason(), "without a reason"),
    ],
)
def test_a_fault_is_found(site: None, place: str, broken: Any, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, place, broken)
    assert any(wanted in fault for fault in _fails("injected", 0.02))


def _refuse_without_reason() -> None:
    raise Refused(400, "x", "")


@pytest.mark.django_db
def test_an_answer_that_may_be_stored_is_found(site: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing_http, "URLS", {**fuzzing_http.URLS, "subscribe": "/instant/labels.js/"})
    assert any("Cache-Control" in fault for fault in _fails("injected", 0.01))


async def test_a_server_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        await reader.read(-1)
        writer.close()

    monkeypatch.setattr(fuzzing_frames, "PATIENCE", 0.1)
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with fuzzing.watched() as faults:
            running = _Running("hanging", faults)
            await running.run(0.01, lambda rng, _: fuzzing_frames.try_protocol(rng, port, "token"))
    assert any("TimeoutError" in case for case in running.found.cases)


def test_a_case_can_be_repeated() -> None:
    first, second = (fuzzing.body(fuzzing.source("any", 7), {"channels": ["news"], "path": "/"}) for _ in range(2))
    assert first == second
    assert f"FUZZ_SEED={fuzzing.SEED} FUZZ_ONLY=7" in fuzzing.shown("any", 7, first)


class _Running:
    """The frames of a test: one fault or hang does not stop the others."""

    def __init__(self, name: str, faults: fuzzing.Faults) -> None:
        self._name, self._faults, self.found = name, faults, fuzzing.Found(name)

    async def run(self, share: float, attempt: Callable[[random.Random, int], Any]) -> None:
        """Try each case."""

        async def one(number: int) -> None:
            problems = []
            try:
                await attempt(fuzzing.source(self._name, number), number)
            except (asyncio.TimeoutError, AssertionError, ValueError) as error:
                problems.append(f"{type(error).__name__}: {error}")
            # Others run at the same time: the fault may be of a case nearby.
            self.found.check(
                [*problems, *self._faults.take()],
                number,
                "a case that runs at the same time may be the cause: FUZZ_ONLY tells",
            )

        await fuzzing_frames.at_once([partial(one, number) for number in fuzzing.numbers(share)])


def _answer_with_the_data(client: Any, command_id: int, method: str, data: Any) -> None:
    """What the devserver does with the answer of a backend, which is the data of the call here."""
    try:
        reply(client, command_id, data if isinstance(data, dict) else {})
    except ValueError:
        client.fail(command_id, errors.INTERNAL)


@pytest.fixture
def addresses(settings: Settings) -> None:
    settings.INSTANT_SOCKET_HANDLERS = handlers.HANDLERS
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.INSTANT_CHANNELS = {"news": {"level": "public"}}
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    settings.INSTANT_SOCKETS_URL = f"grpc://127.0.0.1:{free_port()}"
    settings.INSTANT_SOCKETS_BRIDGE = f"http://127.0.0.1:{free_port()}"


@pytest.mark.django_db(transaction=True)
def test_frames_to_the_devserver(addresses: None) -> None:
    config = render()
    config["channel"]["without_namespace"] = {
        **config["channel"].get("without_namespace", {}),
        "presence": True,
        "history_size": 10,
        "history_ttl": "60s",
        "force_recovery": True,
        **{f"allow_{what}_for_client": True for what in ("subscribe", "publish", "presence", "history")},
        **{f"allow_{what}_for_anonymous": True for what in ("subscribe", "publish", "presence", "history")},
    }
    token = connection_token(AnonymousUser())
    with fuzzing.watched() as faults, RunningWorker(), ThreadedDevServer(config, rpc=_answer_with_the_data) as server:
        running = _Running("devserver", faults)
        asyncio.run(running.run(0.1, lambda rng, _: fuzzing_frames.try_protocol(rng, server.port, token)))
        running.found.report()
        assert asyncio.run(_rpc(server.port, token)) == {"id": 2, "rpc": {"data": "still here"}}


async def _rpc(port: int, token: str) -> Any:
    async with Connection(port, "/connection/websocket") as good:
        assert await good.status() == 101
        good.write(frame(json.dumps({"id": 1, "connect": {"token": token}}).encode()))
        good.write(
            frame(json.dumps({"id": 2, "rpc": {"method": "m", "data": {"result": {"data": "still here"}}}}).encode())
        )
        while received := await asyncio.wait_for(good.receive(), fuzzing_frames.PATIENCE):
            for line in received[1].splitlines():
                if json.loads(line).get("id") == 2:
                    return json.loads(line)
    return None


@pytest.mark.django_db(transaction=True)
def test_frames_to_the_bridge(addresses: None) -> None:
    secret = str(conf.proxy_secret)
    with fuzzing.watched(_is_refused_stream) as faults, RunningWorker() as worker:
        port = worker.serving.bridge_port
        plain, streams = _Running("plain", faults), _Running("streams", faults)
        asyncio.run(plain.run(0.1, lambda rng, number: fuzzing_frames.try_plain(rng, port, number)))
        asyncio.run(streams.run(0.05, lambda rng, _: fuzzing_frames.try_stream(rng, port, secret)))
        until(lambda: not len(worker))
        assert asyncio.run(_echo(port)) == "still here"
        left = faults.take()
    plain.found.report()
    streams.found.report()
    assert not left


def _is_refused_stream(record: logging.LogRecord) -> bool:
    """Whether a wrong secret is reported: an error for operators, on purpose."""
    return "with a wrong secret" in record.getMessage()


async def _echo(port: int) -> str:
    async with Connection(port, "/socket/echo") as good:
        assert await good.status() == 101
        good.write(frame(b"still here"))
        received = await asyncio.wait_for(good.receive(), fuzzing_frames.PATIENCE)
        return received[1].decode() if received else ""
