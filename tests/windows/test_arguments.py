"""Arguments are found by name and converted by annotation; nothing but a Deny comes out."""

from __future__ import annotations

import datetime
import enum
import functools
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from instant.exceptions import Deny, InvalidSignal
from instant.windows import WindowInfo, everyone, signal
from instant.windows.arguments import Parameters
from instant.windows.converters import Misfit, converter
from instant.windows.dispatch import Value, call

if TYPE_CHECKING:
    from instant.windows.nowhere import Nowhere


class Colour(enum.Enum):
    RED = "red"


def even(value: object) -> int:
    if int(value) % 2:
        raise ValidationError("an even number, please")
    return int(value)


def broken(value: object) -> int:
    raise RuntimeError("s3cret path")


class Unhashable:
    __hash__ = None

    def __call__(self, value: int) -> int:
        return value + 1


UUID_TEXT = "12345678-1234-5678-1234-567812345678"
GOOD = [
    (int, 5, 5),
    (int, "5", 5),
    (int, " -5 ", -5),
    (int, 5.0, 5),
    (float, 5, 5.0),
    (float, "1e3", 1000.0),
    (str, "a", "a"),
    (bool, True, True),
    (bool, "on", True),
    (bool, "false", False),
    (bool, 1, True),
    (bool, "0", False),
    (datetime.date, "2026-11-21", datetime.date(2026, 11, 21)),
    (datetime.time, "10:30", datetime.time(10, 30)),
    (datetime.timedelta, "P1DT2H", datetime.timedelta(days=1, hours=2)),
    (datetime.datetime, "2026-11-21T10:00:00Z", datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, 1.1, Decimal("1.1")),
    (UUID, UUID_TEXT, UUID(UUID_TEXT)),
    (Colour, "red", Colour.RED),
    (even, "4", 4),
    (Optional[int], None, None),  # noqa: UP045
    (Optional[int], "5", 5),  # noqa: UP045
    (int | str, "5", "5"),
    (int | str, 5, 5),
    (datetime.date | None, "2026-11-21", datetime.date(2026, 11, 21)),
    (Literal["a", 1], 1, 1),
    (Annotated[int, "seconds"], "5", 5),
    (list, [1], [1]),
    (list[int], ["1", 2], [1, 2]),
    (set[int], [1, 1], {1}),
    (set, [1, 1], {1}),
    (tuple, [1], (1,)),
    (tuple[int, ...], ["1", 2], (1, 2)),
    (tuple[int, str], ["1", "a"], (1, "a")),
    (Sequence[int], ["1"], [1]),
    (Mapping[str, int], {"a": "1"}, {"a": 1}),
    (Unhashable(), 5, 6),
    (UUID, UUID(UUID_TEXT), UUID(UUID_TEXT)),
    (datetime.date, datetime.date(2026, 11, 21), datetime.date(2026, 11, 21)),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, int], {"a": "1"}, {"a": 1}),
    (Any, {"a": [None]}, {"a": [None]}),
    (object, 5, 5),
    (None, None, None),
]
BAD = [
    (int, "five"),
    (int, "\u0665"),
    (int, "1_0"),
    (int, True),
    (int, 5.5),
    (int, math.inf),
    (int, None),
    (int, "9" * 5000),
    (int, []),
    (float, "nan"),
    (float, True),
    (float, "x"),
    (float, 10**400),
    (str, 5),
    (str, None),
    (bool, "maybe"),
    (bool, 2),
    (bool, 1.0),
    (bool, []),
    (datetime.date, "2026-02-31"),
    (datetime.date, "tomorrow"),
    (datetime.date, 5),
    (datetime.datetime, "2026-11-21T25:00"),
    (datetime.time, "25:00"),
    (datetime.timedelta, "x"),
    (Decimal, "NaN"),
    (Decimal, "Infinity"),
    (Decimal, True),
    (Decimal, []),
    (UUID, "x"),
    (UUID, 5),
    (Colour, "blue"),
    (even, "3"),
    (even, "x"),
    (broken, 1),
    (Optional[int], "x"),  # noqa: UP045
    (int | None, []),
    (Literal["a", 1], True),
    (list, "abc"),
    (list[int], ["x"]),
    (list[int], "12"),
    (set, [[]]),
    (tuple, "abc"),
    (tuple[int, str], ["1"]),
    (Sequence[int], "12"),
    (dict, []),
    (dict[str, int], {"a": "x"}),
    (None, 5),
    (bytes, "x"),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), GOOD)
def test_what_fits_is_converted(annotation, value, expected) -> None:
    found = converter(annotation)(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("annotation", "value"), BAD)
def test_what_does_not_fit_is_refused(annotation, value) -> None:
    with pytest.raises(Misfit):
        converter(annotation)(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(annotation=st.sampled_from([annotation for annotation, *_ in GOOD]), value=JSON)
def test_nothing_else_ever_comes_out(annotation, value) -> None:
    def function(window_info, value): ...

    function.__annotations__["value"] = annotation
    with suppress(Deny):
        Parameters(function, "a").bind({"value": value})


@given(st.dates())
def test_dates_come_back(value) -> None:
    assert converter(datetime.date)(value.isoformat()) == value


@given(st.datetimes())
def test_datetimes_without_a_zone_are_in_the_windows(value) -> None:
    with timezone.override("UTC"):
        assert converter(datetime.datetime)(value.isoformat()) == value.replace(tzinfo=datetime.timezone.utc)


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_decimals_come_back(value) -> None:
    assert converter(Decimal)(str(value)) == value


def test_datetimes_without_zones_at_all(settings) -> None:
    settings.USE_TZ = False
    assert converter(datetime.datetime)("2026-11-21 10:00") == datetime.datetime(2026, 11, 21, 10)


def bind(function: Any, opts: dict[str, Any]) -> dict[str, Any]:
    return Parameters(function, "a").bind(opts)


def test_names() -> None:
    def function(window_info, first: int, second: str = "x", *, third: int = None): ...  # noqa: RUF013

    assert bind(function, {"first": "1"}) == {"first": 1}
    assert bind(function, {"first": 1, "second": "y", "third": None}) == {"first": 1, "second": "y", "third": None}
    with pytest.raises(Deny, match="'first' is missing"):
        bind(function, {})
    with pytest.raises(Deny, match="'fourth' is unknown"):
        bind(function, {"first": 1, "fourth": 1})
    with pytest.raises(Deny, match="'window_info' is unknown"):
        bind(function, {"first": 1, "window_info": 1})
    with pytest.raises(Deny, match="'first' is not an integer"):
        bind(function, {"first": None})


def test_kwargs() -> None:
    def function(window_info, *args, **kwargs: int): ...

    assert bind(function, {"a": "1", "args": 2, "kwargs": 3}) == {"a": 1, "args": 2, "kwargs": 3}
    with pytest.raises(Deny, match="'window_info' is unknown"):
        bind(function, {"window_info": 1})
    with pytest.raises(Deny, match="'a' is not an integer"):
        bind(function, {"a": "x"})


def test_reasons_for_the_caller_have_no_internals(caplog: pytest.LogCaptureFixture) -> None:
    def function(window_info, a: broken = 1, b: even = 2): ...

    with pytest.raises(Deny, match=r"the argument 'a' is not a broken \(400\)"):
        bind(function, {"a": 1})
    assert "s3cret path" in caplog.text, "a mistake of the project's is in the log"
    with pytest.raises(Deny, match="an even number, please"):
        bind(function, {"b": 3})
    assert "the argument 'b' does not fit: an even number, please" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_converter_may_deny() -> None:
    def payment(value: object) -> None:
        raise Deny(402, "pay first")

    def function(window_info, a: payment): ...

    function.__annotations__["a"] = payment
    with pytest.raises(Deny, match="pay first"):
        bind(function, {"a": 1})


def test_other_callables() -> None:
    class Method:
        def function(self, window_info, a: int): ...

        def __call__(self, window_info, a: int): ...

    def decorated(function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapped

    @decorated
    def function(window_info, a: int): ...

    partial = functools.partial(lambda n, window_info, a: None, 1)
    for each in (Method().function, Method(), function):
        assert bind(each, {"a": "1"}) == {"a": 1}
    assert bind(partial, {"a": 1}) == {"a": 1}


def test_what_cannot_be_called_by_name_is_said() -> None:
    def positional(window_info, a, /): ...

    def nothing_to_take(*, a): ...

    def unknown(window_info, a: Nowhere): ...

    def no_type(window_info, a: "5"): ...  # noqa: UP037

    for function in (positional, nothing_to_take, unknown, no_type):
        with pytest.raises(InvalidSignal, match="the signal a"):
            Parameters(function, "a")


def test_annotations_that_are_not_asked_for_may_be_unknown() -> None:
    def function(window_info: Nowhere, a: int = 1) -> Nowhere: ...

    assert bind(function, {"a": "2"}) == {"a": 2}


def test_a_call_hands_them_over() -> None:
    @signal("a", everyone)
    def function(window_info, when: datetime.date, count: int = 0):
        return [when.year, count]

    assert call("a", {"when": "2026-11-21", "count": "3"}, WindowInfo()) == Value([2026, 3])
    with pytest.raises(Deny) as caught:
        call("a", {"when": "soon"}, WindowInfo())
    assert (caught.value.code, caught.value.reason) == (400, "the argument 'when' is not a date")
    json.dumps(caught.value.reason)
