"""No input causes a status of 500, a traceback or a hang: random requests, calls and frames.

`make test` runs 2,000 cases. More: `FUZZ_CASES=100000 pytest tests/security/test_fuzzing.py`.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import Settings

from instant.models import Channel
from instant.testing import Published
from instant.windows import WindowInfo, everyone, is_authenticated, registry, signal
from tests.features import use_features

from . import fuzzing, fuzzing_http


@pytest.fixture
def site(settings: Settings, monkeypatch: pytest.MonkeyPatch, published: Published) -> Iterator[None]:
    """A site that uses windows and signals, without limits of rates."""
    use_features(monkeypatch, windows=True)
    monkeypatch.setattr(registry, "_connections", {})
    settings.ALLOWED_HOSTS = ["*"]
    settings.INSTANT_TOKEN_RATE = settings.INSTANT_RPC_RATE = None
    settings.INSTANT_ALLOW_ANONYMOUS = True
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="$staff", level="staff")
    _connect_signals()
    yield


def _connect_signals() -> None:
    @signal("fuzz.echo", is_allowed_to=everyone)
    def echo(window_info: WindowInfo, value: Any = None, **others: Any) -> Any:
        return [value, others]

    @signal("fuzz.typed", is_allowed_to=everyone)
    def typed(window_info: WindowInfo, number: int = 0, share: float = 0, flag: bool = False, amount: Decimal = Decimal(0), key: UUID | None = None) -> Any:
        return [number, share, flag, str(amount), str(key)]

    @signal("fuzz.dates", is_allowed_to=everyone)
    def dates(
        window_info: WindowInfo, day: datetime.date | None = None, moment: datetime.datetime | None = None,
        span: datetime.timedelta | None = None, clock: datetime.time | None = None,
    ) -> Any:  # fmt: skip
        return [str(day), str(moment), str(span), str(clock)]

    @signal("fuzz.lists", is_allowed_to=everyone)
    def lists(
        window_info: WindowInfo, numbers: list[int] = [], table: dict[str, int] = {}, choice: Literal["a", "b"] = "a", either: int | str = 1  # noqa: B006
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
