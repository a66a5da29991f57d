"""The battery of promises that every backend keeps: mix it into a class of tests for each."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from instant import apublish, apublish_many, publish, publish_many
from instant.backends import BaseBackend, get_backend
from instant.exceptions import InvalidMessage, TooLarge
from instant.messages import Message


class BackendContract:
    """Give `backend` and `sent`: the payloads that a channel got, in order."""

    name: str

    @pytest.fixture
    def backend(self) -> BaseBackend:
        """The backend that INSTANT_BROADCAST_WITH picks; depend on what it needs to run."""
        raise NotImplementedError

    def sent(self, channel: str) -> list[dict[str, Any]]:
        raise NotImplementedError

    def texts(self, channel: str) -> list[str]:
        return [payload["message"] for payload in self.sent(channel)]

    def test_it_is_picked_by_its_name_and_kept(self, backend: BaseBackend) -> None:
        assert backend.name == self.name
        assert get_backend() is backend

    def test_a_message_arrives_whole(self, backend: BaseBackend) -> None:
        message = Message("$users", "hi", {"n": [1, None]}, "info", "news", "Shop")
        (receipt,) = backend.send([message])
        assert receipt.message is message
        assert receipt.error is None
        assert self.sent("$users") == [json.loads(message.payload)]

    def test_nothing_is_sent_for_nothing(self, backend: BaseBackend) -> None:
        assert backend.send([]) == []
        assert publish_many([]) is None

    def test_order_is_kept_over_many(self, backend: BaseBackend) -> None:
        messages = [Message("public", str(number)) for number in range(250)]
        assert [receipt.message for receipt in backend.send(messages)] == messages
        assert self.texts("public") == [str(number) for number in range(250)]

    def test_order_is_kept_over_calls(self, backend: BaseBackend) -> None:
        for number in range(20):
            publish("public", str(number))
        assert self.texts("public") == [str(number) for number in range(20)]

    def test_many_reach_their_own_channels(self, backend: BaseBackend) -> None:
        publish_many([{"channel": "a", "message": "1"}, Message("$b", "2"), {"channel": "a", "data": 3}])
        assert [payload.get("message", payload.get("data")) for payload in self.sent("a")] == ["1", 3]
        assert self.texts("$b") == ["2"]

    def test_names_and_texts_of_all_kinds(self, backend: BaseBackend) -> None:
        for channel in ("$private", "a'b\"c\\d", "with space", "dots.and-dashes_1", "x" * 255):
            publish(channel, "Grüße 🎉 \u2028 \x00")
            assert self.texts(channel) == ["Grüße 🎉 \u2028 \x00"], channel

    def test_a_large_message_arrives_and_a_larger_one_is_refused(self, backend: BaseBackend) -> None:
        publish("public", "x" * 899_000)
        assert len(self.texts("public")[0]) == 899_000
        with pytest.raises(TooLarge):
            publish("public", "x" * 900_001)
        assert len(self.sent("public")) == 1

    def test_one_bad_item_keeps_all_from_being_sent(self, backend: BaseBackend) -> None:
        with pytest.raises(InvalidMessage):
            publish_many([{"channel": "public", "message": "good"}, {"channel": "public"}])
        assert self.sent("public") == []

    async def test_async_sends_the_same(self, backend: BaseBackend) -> None:
        assert await apublish("$users", "hi", data={"n": 1}) is None
        assert await apublish_many([{"channel": "$users", "message": str(number)} for number in range(50)]) is None
        assert await apublish_many([]) is None
        first, *others = self.sent("$users")
        assert (first["message"], first["data"]) == ("hi", {"n": 1})
        assert [payload["message"] for payload in others] == [str(number) for number in range(50)]

    async def test_async_gives_receipts_too(self, backend: BaseBackend) -> None:
        messages = [Message("public", "1"), Message("public", "2")]
        receipts = await backend.asend(messages)
        assert [(receipt.message, receipt.error) for receipt in receipts] == [(message, None) for message in messages]

    def test_threads_lose_nothing(self, backend: BaseBackend) -> None:
        def work(name: int) -> None:
            for number in range(25):
                publish(f"thread{name}", str(number))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in range(4):
            assert self.texts(f"thread{name}") == [str(number) for number in range(25)]

    def test_it_has_nothing_to_say_to_check(self, backend: BaseBackend) -> None:
        assert backend.check() == []
