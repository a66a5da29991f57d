"""Channels, streams and the API over them, with a clock that stands still."""

from __future__ import annotations

import pytest

from instant.devserver import errors, wire_json
from instant.devserver.api import UnknownMethodError
from instant.devserver.config_options import ChannelOptions, Seconds
from instant.devserver.hub import IDEMPOTENT_SECONDS
from instant.devserver.streams import Position, Publication, Stream

KEPT = ChannelOptions(history_size=3, history_ttl=Seconds(60), history_meta_ttl=Seconds(600))


@pytest.fixture
def place(world):
    return world()


def publish(place, data, **options):
    return place.hub.publish("hist:1", Publication(data), KEPT, **options)


def test_history_forgets_by_size_and_time_but_not_its_position(place):
    for number in range(5):
        position = publish(place, number)
    assert [item.data for item in place.hub.history("hist:1", 600, -1)[0]] == [2, 3, 4]
    place.now += 60
    assert place.hub.history("hist:1", 600, -1) == ([], position)
    place.now += 599
    assert place.hub.history("hist:1", 600)[1] == position
    place.now += 600
    assert place.hub.history("hist:1", 600)[1].offset == 0
    assert place.hub.history("hist:1", 600)[1].epoch != position.epoch


def test_streams_that_nobody_reads_are_swept(place):
    publish(place, 1)
    place.now += 700
    place.hub.history("hist:other", 600)
    assert list(place.hub._streams) == ["hist:other"]


def test_idempotency_lasts_five_minutes(place):
    first = publish(place, 1, idempotency_key="a")
    place.now += IDEMPOTENT_SECONDS - 1
    assert publish(place, 1, idempotency_key="a") == first
    place.now += 1
    assert publish(place, 1, idempotency_key="a") != first


def test_errors_of_history(place):
    publish(place, 1)
    with pytest.raises(errors.ReplyError) as caught:
        place.hub.history("hist:1", 600, 1, Position(0, "other"))
    assert caught.value.error == errors.UNRECOVERABLE_POSITION
    with pytest.raises(errors.ReplyError) as caught:
        place.hub.history("hist:1", 600, 1, Position(0), reverse=True)
    assert caught.value.error == errors.BAD_REQUEST


@pytest.mark.parametrize(
    ("since", "limit", "reverse", "expected"),
    [
        (None, 0, False, []),
        (None, 2, False, [3, 4]),
        (None, 2, True, [5, 4]),
        (3, -1, False, [4, 5]),
        (0, -1, False, [3, 4, 5]),
        (5, -1, False, []),
        (5, -1, True, [4, 3]),
        (3, -1, True, []),
        (9, -1, True, []),
    ],
)
def test_reading_a_stream(since, limit, reverse, expected):
    stream = Stream()
    for _ in range(5):
        stream.add(Publication("x"), KEPT, 0, 0, "")
    assert [item.offset for item in stream.read(since, limit, reverse=reverse)] == expected


def test_reading_an_empty_stream():
    assert Stream().read(0, -1) == Stream().read(5, -1, reverse=True) == []


def test_api_refuses_what_it_cannot_read(place):
    for method, body in (
        ("publish", {"channel": 5}),
        ("publish", {"channel": "open:1", "data": 1, "version": -1}),
        ("broadcast", {"channels": [1]}),
        ("batch", {"commands": [5]}),
        ("history", {"channel": "hist:1", "since": 5}),
        ("subscribe", {"channel": "open:1", "override": 5}),
        ("disconnect", {"disconnect": 5}),
    ):
        with pytest.raises(wire_json.MalformedError):
            place.api.call(method, body)
    with pytest.raises(UnknownMethodError):
        place.api.call("connections", {})


def test_api_answers(place):
    assert place.api.call("publish", {"channel": "open:1", "data": 1}) == {"result": {}}
    bad = {"error": {"code": 107, "message": "bad request"}}
    assert place.api.call("publish", {"channel": "open:1", "b64data": "?"}) == bad
    assert place.api.call("subscribe", {"channel": "open:1", "b64info": "?"}) == bad
    assert place.api.call("publish", {"channel": "open:1", "b64data": "/w=="}) == bad
    assert place.api.call("disconnect", {"user": "x", "session": "y"}) == {"result": {}}
    node = place.api.call("info", {})["result"]["nodes"][0]
    assert (node["num_clients"], node["num_channels"], node["uptime"]) == (0, 0, 0)
