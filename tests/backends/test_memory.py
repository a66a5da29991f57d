from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from instant import publish
from instant.backends import get_backend
from instant.backends.memory import MemoryBackend
from instant.messages import Message

from .common import BackendContract


class TestMemory(BackendContract):
    name = "memory"

    @pytest.fixture
    def backend(self, settings: Settings) -> Iterator[MemoryBackend]:
        settings.INSTANT_BROADCAST_WITH = "memory"
        self.memory = get_backend()
        assert isinstance(self.memory, MemoryBackend)
        self.memory.clear()
        yield self.memory
        self.memory.clear()

    def sent(self, channel: str) -> list[dict[str, Any]]:
        assert isinstance(self.memory, MemoryBackend)
        return [json.loads(item.payload) for item in self.memory.messages if item.channel == channel]

    def test_a_repeated_uid_is_taken_once(self, backend: MemoryBackend) -> None:
        message = Message("public", "once")
        backend.send([message])
        backend.send([message, message])
        assert self.texts("public") == ["once"]

    def test_a_capture_takes_what_is_sent_and_gives_none_back(self, backend: MemoryBackend) -> None:
        publish("public", "before")
        with backend.capture() as box:
            publish("public", "inside")
        publish("public", "after")
        assert [item.message for item in box.values()] == ["inside"]
        assert self.texts("public") == ["before", "after"]
