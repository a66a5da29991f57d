from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from instant.backends import get_backend
from instant.backends.memory import MemoryBackend

from .common import BackendContract


class TestMemory(BackendContract):
    name = "memory"

    @pytest.fixture
    def backend(self, settings: Settings) -> Iterator[MemoryBackend]:
        settings.INSTANT_BROADCAST_WITH = "memory"
        self.memory = get_backend()
        assert isinstance(self.memory, MemoryBackend)
        self.memory.messages.clear()
        yield self.memory
        self.memory.messages.clear()

    def sent(self, channel: str) -> list[dict[str, Any]]:
        assert isinstance(self.memory, MemoryBackend)
        return [json.loads(item.payload) for item in self.memory.messages if item.channel == channel]
