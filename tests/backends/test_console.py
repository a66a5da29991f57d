from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pytest_django import Settings

from instant import publish
from instant.backends import BaseBackend, get_backend

from .common import BackendContract

LINE = re.compile(r"\[instant\] (?P<channel>.+?) (?P<payload>\{\"site\".*\})")


class TestConsole(BackendContract):
    name = "console"

    @pytest.fixture
    def backend(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> BaseBackend:
        settings.INSTANT_BROADCAST_WITH = "console"
        self.capsys, self.output = capsys, ""
        return get_backend()

    def sent(self, channel: str) -> list[dict[str, Any]]:
        self.output += self.capsys.readouterr().out
        found = [LINE.fullmatch(line) for line in self.output.split("\n") if line]
        return [json.loads(match["payload"]) for match in found if match and match["channel"] == channel]

    def test_each_message_is_one_line(self, backend: BaseBackend) -> None:
        publish("$users", "two\nlines", data={"n": 1})
        (line,) = self.capsys.readouterr().out.splitlines()
        assert line.startswith('[instant] $users {"site":"Site",')
        assert r'"message":"two\nlines","data":{"n":1}}' in line
