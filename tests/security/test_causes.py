"""Whatever ends a right ends access, through every class and on every stack: the short form of `make security`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from instant.access.tokens import STRICT_TTL
from tests.conftest import need_server
from tests.security.measuring import STACKS, Site, Victim, running_site
from tests.security.strict import victim_of

#: Seconds of a channel token, and those after which a hostile client is out; with a margin for a slow machine.
TTL = 4
BOUND = TTL + 5 + 4
#: Those of strict channels, likewise.
STRICT_BOUND = 1 + 4
#: Stacks on which only honest clients are tried.
SHORT = ("uvicorn", "daphne")
EVERYBODYS = "all sessions deleted"


@pytest.fixture(scope="module", params=["gunicorn-dev", "gunicorn-centrifugo", "uvicorn-centrifugo", "daphne-dev"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    times = {"STAFFING_CHANNEL_TOKEN_TTL": str(TTL), "STAFFING_TOKEN_TTL": "20"}
    with _running(request.param, tmp_path_factory.mktemp("site"), **times) as site:
        yield site


@pytest.fixture(scope="module", params=["uvicorn-dev", "gunicorn-centrifugo"])
def strict_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with _running(request.param, tmp_path_factory.mktemp("site"), STAFFING_STRICT="1") as site:
        yield site


@contextmanager
def _running(name: str, folder: Path, **environment: str) -> Iterator[Site]:
    stack, _, server = name.partition("-")
    need_server(server)
    if importlib.util.find_spec(stack) is None:
        pytest.skip(f"{stack}: not installed")
    assert stack in STACKS
    with running_site(folder, stack, server, **environment) as site:
        yield site


def test_an_honest_client_is_out_and_others_stay_in(site: Site) -> None:
    bystander = Victim(site, EVERYBODYS)
    for cause, options in site.causes().items():
        if cause != EVERYBODYS:
            Victim(site, cause, **options).honest()
            assert not bystander.connection.is_out(bystander.channel, 0.01)  # it answers pings, too
    bystander.honest()


@pytest.mark.parametrize("engine", ["cached_db", "cache", "file", "signed_cookies"])
def test_requests_end_sessions_of_every_engine(engine: str, tmp_path: Path) -> None:
    backend = f"django.contrib.sessions.backends.{engine}"
    with _running("gunicorn-centrifugo", tmp_path, STAFFING_SESSIONS=backend) as site:
        causes = {
            cause: options
            for cause, options in site.causes().items()
            if options["in_request"] or (cause in ("session row deleted", "clearsessions") and engine == "cached_db")
        }
        assert len(causes) == (6 if engine == "cached_db" else 4)
        for cause, options in causes.items():
            victim_of(site, cause, **options).honest()


def test_a_hostile_client_is_out_when_its_tokens_have_expired(site: Site) -> None:
    if site.stack in SHORT:
        pytest.skip("shown on the other stacks: the times are the server's")
    found = _hostile(site, BOUND + 12)
    assert {cause: last for cause, last in found.items() if last > BOUND} == {}


def test_a_hostile_client_of_strict_channels_is_out_at_once(strict_site: Site) -> None:
    found = _hostile(strict_site, STRICT_TTL + 3)
    assert {cause: last for cause, last in found.items() if last > STRICT_BOUND} == {}


def _hostile(site: Site, watch_for: float) -> dict[str, float]:
    causes = {cause: options for cause, options in site.causes().items() if cause != EVERYBODYS}
    victims = [victim_of(site, cause, **options) for cause, options in causes.items()]
    with ThreadPoolExecutor(len(victims)) as pool:
        return dict(zip(causes, pool.map(lambda victim: victim.hostile(watch_for), victims), strict=True))
