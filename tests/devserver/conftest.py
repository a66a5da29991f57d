"""Servers of both kinds for conformance tests, and a session without a transport."""

from __future__ import annotations

import pytest

from instant.devserver import config as configs
from instant.devserver.api import Api
from instant.devserver.channel_options import ChannelRules
from instant.devserver.hub import Hub
from instant.devserver.session import Session
from tests.devserver.servers import config, running

KINDS = ["dev", "centrifugo"]


@pytest.fixture(scope="session", params=KINDS)
def server(request):
    """A running server with CONFIG, of each kind in turn."""
    with running(request.param, config()) as running_server:
        yield running_server


@pytest.fixture(params=KINDS)
def start(request):
    """Start a server with another config: `with start(client={...}) as server`."""
    return lambda **sections: running(request.param, config(**sections))


class World:
    """A hub with a clock that stands still until it is told."""

    def __init__(self, **sections):
        self.now = 1_800_000_000.0
        self.config = configs.load(config(**sections))
        self.rules = ChannelRules(self.config)
        self.hub = Hub(lambda: self.now)
        self.api = Api(self.hub, self.rules)

    def session(self, **options):
        """Open a session whose first ping is due after half of the interval."""
        return Session(self.hub, self.rules, self.config, jitter=lambda: 0.0, **options)


@pytest.fixture
def world():
    """Make a World; its keywords are sections of the config."""
    return World
