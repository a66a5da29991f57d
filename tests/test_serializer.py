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


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "value",
    [
        *(NAN, [INF], {"a": [1, -INF]}, Point(1), {1, 2}, "\ud800"),
        *([None, NAN], [None, {"a": (1.5, {"b": -INF})}], Odd.NAN, {"null": Odd.NAN}),
    ],
)
def test_refusals_are_alike(value: Any) -> None:
    assert outcome(_encode_fast, value) == outcome(_encode_slowly, value) == "refused"


def test_the_fast_one_is_used_where_it_is_installed() -> None:
    assert serializer._encode_bytes is _encode_fast
