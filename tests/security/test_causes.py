"""Whatever ends a right ends access, through every class and on every stack: the short form of `make security`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import need_server
from tests.security.measuring import STACKS, Site, Victim, running_site

#: Seconds of a channel token, and those after which a hostile client is out; with a margin for a slow machine.
TTL = 4
BOUND = TTL + 5 + 4
#: Stacks on which only honest clients are tried.
SHORT = ("uvicorn", "daphne")
EVERYBODYS = "all sessions deleted"


@pytest.fixture(scope="module", params=["gunicorn-dev", "gunicorn-centrifugo", "uvicorn-centrifugo", "daphne-dev"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    stack, _, server = request.param.partition("-")
    need_server(server)
    if importlib.util.find_spec(stack) is None:
        pytest.skip(f"{stack}: not installed")
    assert stack in STACKS
    times = {"STAFFING_CHANNEL_TOKEN_TTL": str(TTL), "STAFFING_TOKEN_TTL": "20"}
    with running_site(tmp_path_factory.mktemp("site"), stack, server, **times) as site:
        yield site


def test_an_honest_client_is_out_and_others_stay_in(site: Site) -> None:
    bystander = Victim(site, EVERYBODYS)
    for cause, options in site.causes().items():
        if cause != EVERYBODYS:
            Victim(site, cause, **options).honest()
    assert not bystander.connection.is_out(bystander.channel, 0.1)
    bystander.honest()


def test_a_hostile_client_is_out_when_its_tokens_have_expired(site: Site) -> None:
    if site.stack in SHORT:
        pytest.skip("shown on the other stacks: the times are the server's")
    causes = {cause: options for cause, options in site.causes().items() if cause != EVERYBODYS}
    victims = [Victim(site, cause, **options) for cause, options in causes.items()]
    with ThreadPoolExecutor(len(victims)) as pool:
        found = dict(zip(causes, pool.map(lambda victim: victim.hostile(BOUND + 12), victims), strict=True))
    assert {cause: last for cause, last in found.items() if last > BOUND} == {}
