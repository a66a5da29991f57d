"""With orjson and without: the same JSON, and the same refusals."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import pytest
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given, strategies

from instant import serializer
from instant.serializer import _encode_slowly

pytest.importorskip("orjson")
from instant.serializer import _encode_fast


class Size(IntEnum):
    BIG = 3


@dataclass
class Point:
    x: int


NOW = datetime.datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=datetime.timezone.utc)
VALUES: list[Any] = [
    NOW,
    NOW.replace(tzinfo=None),
    NOW.date(),
    NOW.time().replace(microsecond=5000),
    datetime.timedelta(days=1, seconds=2),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    2**70,
    -(2**64),
    {1: "int", None: "none", False: "false", 1.5: "float"},
    mark_safe("<b>safe</b>"),
    gettext_lazy("Name"),
    Size.BIG,
    {"size": Size.BIG},
    "\u2028 \U0001f600 \x00 \x1f",
    [None, {"deep": (1, 2, [3.0])}],
    {"null": uuid.UUID(int=7), "none": None, "size": Size.BIG, "at": NOW},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_no_plain_json_comes_out_alike(value: Any) -> None:
    assert json.loads(_encode_fast({"v": value})) == json.loads(_encode_slowly({"v": value}))


Plain = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
)


def outcome(encode: Any, value: Any) -> Any:
    try:
        return json.loads(encode(value))
    except (TypeError, ValueError):
        return "refused"


@given(Plain)
def test_plain_json_comes_out_alike_or_is_refused_alike(value: Any) -> None:
    assert outcome(_encode_fast, value) == outcome(_encode_slowly, value)


class Odd(Enum):
    NAN = float("nan")
    OBJECT = object()


class Plan(Enum):
    FREE = "free"
    LARGE = 2**60
    SINCE = datetime.date(2026, 11, 26)
    PARTS = (1, None, "2")


@pytest.mark.parametrize("write", [_encode_fast, _encode_slowly])
def test_a_member_of_an_enum_is_its_value(write: Any) -> None:
    value = {"plans": list(Plan), "n": None}
    assert json.loads(write(value)) == {"plans": ["free", str(2**60), "2026-11-26", [1, None, "2"]], "n": None}
    assert json.loads(write(Plan.FREE)) == "free"


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "value",
    [
        *(NAN, [INF], {"a": [1, -INF]}, Point(1), {1, 2}, "\ud800"),
        *([None, NAN], [None, {"a": (1.5, {"b": -INF})}], Odd.NAN, {"null": Odd.NAN}, {Plan.FREE: 1}, Odd.OBJECT),
    ],
)
def test_refusals_are_alike(value: Any) -> None:
    assert outcome(_encode_fast, value) == outcome(_encode_slowly, value) == "refused"


def test_the_fast_one_is_used_where_it_is_installed() -> None:
    assert serializer._encode_bytes is _encode_fast


# numbers


LIMIT = 2**53 - 1


class Huge(IntEnum):
    KEY = 2**60


@pytest.mark.parametrize("write", [_encode_fast, _encode_slowly])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((number, str(number)) for number in (LIMIT, -LIMIT, 0, 123456789012345)),
        *((number, f'"{number}"') for number in (LIMIT + 1, -LIMIT - 1, 2**63, 2**64, 10**30, -(10**30))),
        ({"pk": 2**60, "n": 1}, f'{{"pk":"{2**60}","n":1}}'),
        ([{"a": (1, [2**60])}], f'[{{"a":[1,["{2**60}"]]}}]'),
        ({2**60: 1}, f'{{"{2**60}":1}}'),
        ([Huge.KEY, NOW.date(), 2**60], f'["{2**60}","2026-11-21","{2**60}"]'),
        (["1234567890123456", 2], '["1234567890123456",2]'),
        ([0.1234567890123456, 1e17, True], "[0.1234567890123456,1e+17,true]"),
    ],
)
def test_integers_that_a_browser_would_round_are_text(write: Any, value: Any, text: str) -> None:
    assert json.loads(write(value)) == json.loads(text)
    assert b'"' not in write(value) or write(value).decode() == text


@given(strategies.recursive(strategies.integers() | strategies.text(), strategies.lists))
def test_every_integer_is_exact_in_a_browser(value: Any) -> None:
    def expected(each: Any) -> Any:
        if isinstance(each, list):
            return [expected(inner) for inner in each]
        return str(each) if isinstance(each, int) and abs(each) > LIMIT else each

    assert json.loads(_encode_fast(value)) == json.loads(_encode_slowly(value)) == expected(value)
