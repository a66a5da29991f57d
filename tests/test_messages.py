"""Message: the payload of the golden vectors, its limits, and what JSON cannot hold."""

from __future__ import annotations

import datetime
import decimal
import json
import pickle
import re
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils.translation import gettext_lazy

from instant import messages, protocol
from instant.exceptions import InvalidChannel, InvalidMessage, TooLarge
from instant.messages import Message
from instant.serializer import encode

VECTORS = json.loads((Path(__file__).parent / "contract" / "messages.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_payload_is_the_golden_one(vector: dict[str, Any]) -> None:
    with override_settings(INSTANT_PAYLOAD=vector["mode"]):
        message = Message(vector["channel"], **vector["publish"])
    payload = json.loads(message.payload)
    assert payload == vector["payload"]
    if vector["mode"] == "object":
        assert list(payload) == list(vector["payload"])  # the order is kept, too
    assert json.loads(message.command()) == {
        "channel": vector["channel"],
        "data": vector["payload"],
        "idempotency_key": vector["publish"]["uid"],
    }


def test_the_vectors_have_both_modes_and_all_keys() -> None:
    assert {vector["mode"] for vector in VECTORS} == {"object", "string"}
    seen = {key for vector in VECTORS if vector["mode"] == "object" for key in vector["payload"]}
    assert seen == {"site", "uid", "timestamp", "message", "data", "event_class", "bucket"}


def test_what_is_not_given_is_not_sent() -> None:
    assert set(json.loads(Message("public", "hi").payload)) == {"site", "uid", "timestamp", "message"}


def test_site_uid_and_timestamp_come_by_themselves() -> None:
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    with override_settings(SITE_NAME="Shop", TIME_ZONE="Asia/Tokyo"):
        first, second = Message("public", "a"), Message("public", "a")
    assert first.site == "Shop"
    assert first.uid != second.uid
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.timestamp)
    stamp = datetime.datetime.fromisoformat(first.timestamp.replace("Z", "+00:00"))
    assert before <= stamp <= datetime.datetime.now(datetime.timezone.utc)


def test_uids_are_unique_over_threads() -> None:
    uids: list[str] = []
    threads = [
        threading.Thread(target=lambda: uids.extend(Message("public", "x").uid for _ in range(500))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(uids)) == 2000


def test_uids_start_again_in_a_forked_child() -> None:
    first = Message("public", "a").uid
    messages._uids.renew()  # as in a child, see test_process_state.py
    second = Message("public", "a").uid
    assert re.fullmatch(r"[0-9a-f]{24}00000000", second)
    assert first[:24] != second[:24]


def test_a_site_of_its_own() -> None:
    assert json.loads(Message("public", "a", site="other").payload)["site"] == "other"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.timezone.utc), "2026-01-02T03:04:05.678Z"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(days=1, seconds=2), "P1DT00H00M02S"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (gettext_lazy("Hello"), "Hello"),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_is_what_djangos_encoder_takes(value: object, written: object) -> None:
    assert json.loads(Message("public", data={"it": value}).payload)["data"] == {"it": written}


def recursive() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        {"deep": [float("nan")]},
        {float("nan"): 1},
        ...,
        {1, 2},
        b"bytes",
        {(1, 2): 3},
        "\ud800",
        recursive(),
    ],
    ids=repr,
)
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidMessage, match="cannot be sent as JSON"):
        Message("public", data=value)


def test_the_refusal_keeps_its_cause() -> None:
    with pytest.raises(InvalidMessage) as caught:
        encode(object())
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_refused_value_leaves_the_kept_encoder_whole() -> None:
    shared: dict[str, Any] = {"a": 1}
    for _ in range(2):
        with pytest.raises(InvalidMessage):
            encode([shared, object()])
        assert encode([shared, shared]) == b'[{"a":1},{"a":1}]'


def test_the_data_is_that_of_the_moment() -> None:
    data = {"n": 1}
    message = Message("public", data=data)
    data["n"] = 2
    assert json.loads(message.payload)["data"] == {"n": 1}


def test_neither_message_nor_data_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidMessage, match=r"nothing to publish to '\$users'.*data="):
        Message("$users")


@pytest.mark.parametrize("message", [5, b"bytes", {"a": 1}, ["x"]], ids=repr)
def test_a_message_is_text(message: Any) -> None:
    with pytest.raises(InvalidMessage, match="Use data="):
        Message("public", message)


def test_a_lazy_text_is_read_at_once() -> None:
    message = Message("public", gettext_lazy("Hello"))  # type: ignore[arg-type]
    assert type(message.message) is str
    assert json.loads(message.payload)["message"] == "Hello"


@pytest.mark.parametrize("channel", ["", "$", "ü", "a b\n", "nowhere:chat", "ws:x", None, 7])
def test_a_channel_that_nobody_could_join_is_refused(channel: Any) -> None:
    with pytest.raises(InvalidChannel):
        Message(channel, "hi")


@pytest.mark.parametrize("mode", ["object", "string"])
def test_the_limit_is_on_what_goes_on_the_wire(mode: str) -> None:
    with override_settings(INSTANT_PAYLOAD=mode):
        frame = len(Message("public", "").payload)
        largest = Message("public", "x" * (protocol.MAX_PAYLOAD_BYTES - frame))
        assert len(largest.payload) == protocol.MAX_PAYLOAD_BYTES
        with pytest.raises(TooLarge, match="900001 bytes"):
            Message("public", "x" * (protocol.MAX_PAYLOAD_BYTES - frame + 1))


def test_bytes_are_counted_not_characters() -> None:
    with pytest.raises(TooLarge):
        Message("public", "é" * (protocol.MAX_PAYLOAD_BYTES // 2))


def test_text_is_not_escaped_to_ascii() -> None:
    assert "Grüße".encode() in Message("public", "Grüße").payload


@pytest.mark.parametrize("channel", ['a"b', "a\\b", "$a'b"])
def test_a_command_escapes_the_channel(channel: str) -> None:
    assert json.loads(Message(channel, "hi").command())["channel"] == channel


def test_a_message_survives_a_pickle() -> None:
    message = Message("public", "hi", {"n": 1})
    again = pickle.loads(pickle.dumps(message))
    assert again == message
    assert again.payload == message.payload
