"""publish() and its kin: what they take, when they send, and what becomes of a failure."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

import instant
from instant import apublish, apublish_many, producers, publish, publish_many
from instant.exceptions import InvalidMessage, PublishError, PublishManyError, Rejected, Unreachable
from instant.messages import Message
from instant.testing import Published, capture_published
from tests.fakes import accepted, answer, closed, fake_server, silent

ROOT = Path(__file__).parents[1]


@pytest.fixture
def sent() -> Iterator[Published]:
    with capture_published() as published:
        yield published


def test_the_names_are_where_they_were() -> None:
    assert instant.publish is producers.publish
    assert set(instant.__all__) <= set(dir(instant))
    with pytest.raises(AttributeError, match="no attribute 'broadcast'"):
        _ = instant.broadcast  # type: ignore[attr-defined]


def test_importing_starts_nothing() -> None:
    """`import instant` needs no settings, and the slow libraries wait for their first use."""
    code = "import sys, instant; print([m for m in ('django', 'cent', 'aiohttp', 'requests') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


# what it takes


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("c", "text"), {}),
        (("c",), {"message": "text"}),
        ((), {"channel": "c", "message": "text"}),
        (("text",), {"channel": "c"}),
    ],
)
def test_the_forms_of_a_message(sent: Published, args: tuple[str, ...], kwargs: dict[str, Any]) -> None:
    assert publish(*args, **kwargs) is None
    assert asyncio.run(apublish(*args, **kwargs)) is None
    assert [(item.channel, item.message, item.data) for item in sent] == [("c", "text", None)] * 2


@pytest.mark.parametrize("data", [{"n": 1}, {}, [], 0, False, ""], ids=repr)
def test_data_alone_is_enough(sent: Published, data: object) -> None:
    publish("c", data=data)
    (item,) = sent
    assert (item.message, item.data) == (None, data)


def test_everything_is_handed_on(sent: Published) -> None:
    publish("c", "text", data=1, event_class="info", bucket="b", site="s")
    publish_many([{"channel": "c", "message": "text", "data": 1, "event_class": "info", "bucket": "b", "site": "s"}])
    for item in sent:
        assert (item.data, item.event_class, item.bucket, item.site) == (1, "info", "b", "s")


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        (("c", "text", "more"), {}, "it got 3 positional arguments"),
        (("c", "text"), {"channel": "d"}, "twice"),
        (("c", "text"), {"message": "other"}, "twice"),
        (("text",), {"channel": "c", "message": "other"}, "the message twice"),
    ],
)
def test_too_much_is_a_type_error(sent: Published, args: tuple[str, ...], kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        publish(*args, **kwargs)
    with pytest.raises(TypeError, match=text):
        asyncio.run(apublish(*args, **kwargs))
    assert not sent


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {"message": "text"}, "got no channel"),
        ((), {}, "got no channel"),
        (("c",), {}, "nothing to publish to 'c'"),
        ((), {"channel": "c"}, "nothing to publish to 'c'"),
        (("c",), {"data": float("nan")}, "cannot be sent as JSON"),
        (("nowhere:c", "text"), {}, "INSTANT_NAMESPACES"),
    ],
)
def test_too_little_or_wrong_is_a_value_error(
    sent: Published, args: tuple[str, ...], kwargs: dict[str, Any], text: str
) -> None:
    for silently in (False, True):  # a mistake in the code is told in any case
        with pytest.raises(InvalidMessage, match=text) as caught:
            publish(*args, **kwargs, fail_silently=silently)
        assert isinstance(caught.value, ValueError)
    assert not sent


TYPED = """
from instant import apublish, publish
from instant.exceptions import PublishError
publish("c", "text")
publish("c", data={"n": 1}, event_class="info", bucket="b", site="s", timeout=1, on_commit=True)
publish("c", message="text")
publish(channel="c", message="text")
publish(channel="c", data=1)
publish("text", channel="c")
error: PublishError | None = publish("c", "text", fail_silently=True)
async def later() -> None:
    await apublish("c", "text")
    await apublish(channel="c", data=1)
publish()  # wrong
publish("c", "text", "more")  # wrong
publish(message="text")  # wrong
publish("c", "text", channel="c")  # wrong
publish("c", "text", unknown=1)  # wrong
publish("c", 5)  # wrong
publish("text", channel="c", message="other")  # wrong
"""


@pytest.mark.slow
def test_a_type_checker_knows_the_forms(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    from mypy import api

    path = tmp_path / "forms.py"
    path.write_text(TYPED)
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\nfollow_imports = silent\n")
    output, problems, _ = api.run([str(path), "--config-file", str(config), "--cache-dir", str(tmp_path / "cache")])
    wrong = [number for number, line in enumerate(TYPED.splitlines(), 1) if line.endswith("# wrong")]
    found = {int(line.split(":")[1]) for line in output.splitlines() if ": error:" in line}
    assert problems == ""
    assert sorted(found) == wrong, output


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"message": "x"}, "Item 1 of publish_many.. has no channel"),
        ({"channel": "c", "message": "x", "fail_silently": True}, "Item 1 .* unknown keys: fail_silently"),
        ({"channel": "c"}, "nothing to publish"),
    ],
)
def test_a_bad_item_is_named_and_nothing_is_sent(sent: Published, item: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidMessage, match=text):
        publish_many([{"channel": "c", "message": "good"}, item])
    assert not sent


def test_many_take_any_iterable_of_both_kinds(sent: Published) -> None:
    publish_many(item for item in (Message("c", "1"), {"channel": "c", "message": "2"}))
    assert [item.message for item in sent] == ["1", "2"]


# debug


def test_debug_messages_are_printed_in_debug(sent: Published, capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(DEBUG=True):
        publish("c", "shown", data={"n": 0}, event_class="debug")
        publish("c", data=0, event_class="debug")
        publish("c", "not this", event_class="info")
    publish("c", "nor that", event_class="debug")
    assert capsys.readouterr().out.splitlines() == ["[c] shown {'n': 0}", "[c]  0"]
    assert len(sent) == 4


# failures


def test_a_failure_has_all_that_is_asked_of_it() -> None:
    with fake_server(closed), pytest.raises(Unreachable) as caught:
        publish("c", "text")
    error = caught.value
    assert (error.channel, error.backend, error.retryable) == ("c", "python", True)
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    ("said", "kind", "retryable"),
    [
        (answer({"error": {"code": 100, "message": "internal"}}), Rejected, True),
        (answer({"error": {"code": 107, "message": "bad request"}}), Rejected, False),
        (answer(b"", 401), Rejected, False),
        (answer(b"", 503), Unreachable, True),
        (answer(b"", 404), Unreachable, False),
        (answer(b"<html>", 200), Unreachable, False),
        (closed, Unreachable, True),
    ],
)
def test_a_failure_tells_no_answer_from_a_no(said: Any, kind: type[PublishError], retryable: bool) -> None:
    with fake_server(said), pytest.raises(PublishError) as caught:
        publish("c", "text")
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable


def test_in_silence_a_failure_is_logged_and_returned(caplog: pytest.LogCaptureFixture) -> None:
    with fake_server(closed):
        error = publish("c", "text", fail_silently=True)
    assert isinstance(error, Unreachable)
    assert [record.getMessage() for record in caplog.records if record.name == "instant"] == [str(error)]
    with fake_server():
        assert publish("c", "text", fail_silently=True) is None


async def test_in_silence_a_failure_is_returned_async(caplog: pytest.LogCaptureFixture) -> None:
    with fake_server(answer(b"", 503)):
        error = await apublish("c", "text", fail_silently=True)
        errors = await apublish_many([{"channel": "c", "message": "1"}], fail_silently=True)
        with pytest.raises(Unreachable):
            await apublish("c", "text")
    assert isinstance(error, Unreachable)
    assert isinstance(errors, PublishManyError)
    assert [record.name for record in caplog.records] == ["instant", "instant"]


def test_a_retry_carries_the_same_key() -> None:
    with fake_server(closed, accepted) as server:
        publish("c", "text")
        publish("c", "text")
    first, again, other = (request.keys for request in server.requests)
    assert first == again == [server.requests[0].json["data"]["uid"]]
    assert other != first


def test_one_batch_that_fails_keeps_no_other_from_being_sent() -> None:
    with fake_server(accepted, answer(b"", 503), accepted) as server, pytest.raises(PublishManyError) as caught:
        publish_many([{"channel": "c", "message": str(number)} for number in range(2001)], timeout=10)
    assert [len(request.keys) for request in server.requests] == [1000, 1000, 1]
    assert [index for index, _ in caught.value.failed] == list(range(1000, 2000))
    assert caught.value.sent == [*range(1000), 2000]
    assert isinstance(caught.value.__cause__, Unreachable)


def test_an_answer_for_fewer_than_were_sent_is_a_failure_of_all() -> None:
    said = answer({"replies": [{"publish": {}}]})
    with fake_server(said), pytest.raises(PublishManyError, match="answered 1 of 2 messages") as caught:
        publish_many([{"channel": "c", "message": "1"}, {"channel": "c", "message": "2"}])
    assert caught.value.sent == []


def test_a_timeout_of_its_own_wins() -> None:
    with fake_server(silent), override_settings(INSTANT_PUBLISH_TIMEOUT=60.0), pytest.raises(Unreachable, match="time"):
        publish("c", "text", timeout=0.1)


async def test_a_timeout_holds_async() -> None:
    with fake_server(silent):
        with pytest.raises(Unreachable, match="time"):
            await apublish("c", "text", timeout=0.1)
        with pytest.raises(PublishManyError, match="time"):
            await apublish_many([{"channel": "c", "message": "1"}], timeout=0.1)
