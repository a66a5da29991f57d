"""A message without a channel: refused, or sent to the default one with a warning."""

from __future__ import annotations

import asyncio
import linecache
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from instant import apublish, apublish_many, publish, publish_many
from instant.exceptions import InvalidMessage
from instant.messages import Message
from instant.testing import Published, capture_published


@pytest.fixture
def sent() -> Iterator[Published]:
    with capture_published() as published:
        yield published


@pytest.fixture
def enabled(settings: Settings) -> None:
    settings.INSTANT_ENABLE_PUBLIC_CHANNEL = True
    settings.SITE_SLUG = "shop"


def by_publish() -> None:
    publish(message="hi", data=1)


def by_apublish() -> None:
    async def later() -> None:
        await apublish(message="hi", data=1)

    asyncio.run(later())


def by_publish_many() -> None:
    publish_many([{"message": "hi", "data": 1}])


def by_apublish_many() -> None:
    async def later() -> None:
        await apublish_many([{"message": "hi", "data": 1}])

    asyncio.run(later())


WAYS = [by_publish, by_apublish, by_publish_many, by_apublish_many]


@pytest.mark.usefixtures("enabled")
@pytest.mark.parametrize("way", WAYS)
def test_it_goes_to_the_default_channel_and_the_warning_points_at_the_caller(
    way: Callable[[], None], sent: Published
) -> None:
    with pytest.warns(DeprecationWarning, match="pass 'shop_public' to publish") as caught:
        way()
    assert [(item.channel, item.message, item.data) for item in sent] == [("shop_public", "hi", 1)]
    assert [warning.filename for warning in caught] == [__file__]
    assert f"{way.__name__.removeprefix('by_')}(" in linecache.getline(__file__, caught[0].lineno)


@pytest.mark.usefixtures("enabled")
def test_its_name_can_be_set(settings: Settings, sent: Published) -> None:
    settings.INSTANT_PUBLIC_CHANNEL = "lobby"
    with pytest.warns(DeprecationWarning, match="'lobby'"):
        publish(message="hi")
    assert [item.channel for item in sent] == ["lobby"]


@pytest.mark.parametrize("way", WAYS)
def test_where_it_is_off_the_message_is_refused(way: Callable[[], None], sent: Published) -> None:
    with pytest.raises(InvalidMessage, match="no channel"):
        way()
    assert not sent


@pytest.mark.usefixtures("enabled")
def test_who_names_a_channel_receives_nothing(sent: Published) -> None:
    with warnings.catch_warnings(record=True) as caught:
        publish("c", "text")
        publish("c", data=1)  # one positional argument is the channel
        publish("text", channel="c")
        publish_many([Message("c", "text"), {"channel": "c", "message": "x"}, {"channels": ["c"], "message": "x"}])
    assert [item.channel for item in sent] == ["c"] * 6
    assert caught == []


@pytest.mark.usefixtures("enabled")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [({}, "nothing to publish to 'shop_public'"), ({"data": float("nan")}, "cannot be sent as JSON")],
)
def test_it_takes_no_worse_messages_than_others(sent: Published, arguments: dict[str, Any], words: str) -> None:
    for call in (lambda: publish(**arguments), lambda: publish_many([arguments])):
        with pytest.warns(DeprecationWarning, match="default channel"), pytest.raises(InvalidMessage, match=words):
            call()
    assert not sent
