"""Converters of JSON values to the types of annotations."""

from __future__ import annotations

import datetime
import inspect
import math
import re
import types
from collections import abc
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime, parse_duration, parse_time

from ..exceptions import Deny

#: A function that returns the converted value, or raises `Misfit`.
Convert = Callable[[Any], Any]

_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


class Misfit(ValueError):
    """A value does not fit its annotation. The text may be sent to the browser."""


def converter(annotation: Any) -> Convert:
    """Return the function that converts a value to `annotation`.

    Raises:
        TypeError: the annotation is not supported.
    """
    if get_origin(annotation) is not None:
        return _generic(annotation, get_origin(annotation), get_args(annotation))
    try:
        known = _KNOWN.get(annotation)
    except TypeError:  # the annotation is an unhashable object
        known = None
    if known is None and not callable(annotation):
        raise TypeError(f"{annotation!r} is neither a type nor a function of one value")
    return known or partial(_called, annotation)


def _generic(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Convert:
    if origin is Annotated:
        return converter(arguments[0])
    if origin in (Union, types.UnionType):
        return partial(_any_of, [(choice, converter(choice)) for choice in arguments], _named(annotation))
    if origin is Literal:
        return partial(_literal, arguments)
    return _container(origin, arguments)


def _container(origin: Any, arguments: tuple[Any, ...]) -> Convert:
    if origin is tuple and arguments[-1:] != (...,):
        return partial(_row, [converter(argument) for argument in arguments])
    if origin in _SEQUENCES:
        return partial(_items, _SEQUENCES[origin], converter(arguments[0]))
    if origin in (dict, abc.Mapping, abc.MutableMapping):
        return partial(_mapping, converter(arguments[0]), converter(arguments[1]))
    if isinstance(origin, type):
        return partial(_instance, origin)
    raise TypeError(f"{origin!r} cannot be an annotation of a signal's argument")


def _same(value: Any) -> Any:
    return value


def _none(value: Any) -> None:
    if value is not None:
        raise Misfit("is not null")


def _any_of(choices: list[tuple[Any, Convert]], name: str, value: Any) -> Any:
    """Convert to the first type that fits. A value that already has one of the types is returned unchanged."""
    for choice, _ in choices:
        if type(value) is choice:
            return value
    for _, convert in choices:
        try:
            return convert(value)
        except Misfit:
            continue
    raise Misfit(f"is not {name}")


def _literal(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return value
    raise Misfit(f"is not one of {', '.join(map(str, choices))}")


def _items(kind: Callable[[list[Any]], Any], convert: Convert, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise Misfit("is not a list")
    try:
        return kind([convert(item) for item in value])
    except TypeError as error:  # a set of unhashable values
        raise Misfit("is not a list of strings and numbers") from error


def _row(converts: list[Convert], value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != len(converts):
        raise Misfit(f"is not a list of {len(converts)} values")
    return tuple(convert(item) for convert, item in zip(converts, value, strict=True))


def _mapping(key: Convert, convert: Convert, value: Any) -> dict[Any, Any]:
    return {key(name): convert(item) for name, item in _instance(dict, value).items()}


def _instance(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise Misfit(f"is not {_named(kind)}")
    return value


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(str(value).lower()) if isinstance(value, str | int) else None
    if found is None:
        raise Misfit("is neither true nor false")
    return found


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise Misfit("is not an integer")


def _float(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Misfit("is not a number")
    return number


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except (ArithmeticError, ValueError):
        number = Decimal("NaN")
    if not number.is_finite():
        raise Misfit("is not a number")
    return number


def _uuid(value: Any) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise Misfit("is not a UUID") from None


def _parsed(kind: type, parse: Callable[[str], Any], value: Any) -> Any:
    if isinstance(value, kind):
        return value
    try:
        found = parse(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):  # for example 31 February
        found = None
    if found is None:
        raise Misfit(f"is not {_named(kind)}")
    return found


def _datetime(text: str) -> datetime.datetime | None:
    """Convert to a datetime. A value without a time zone is in Django's current time zone, as in a form."""
    found = parse_datetime(text)
    return timezone.make_aware(found) if found is not None and timezone.is_naive(found) and _use_tz() else found


def _use_tz() -> bool:
    from django.conf import settings

    return bool(settings.USE_TZ)


def _called(function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function of the project.

    If the function raises Deny, it propagates. Any other exception means that the value does not fit, but only the text
    of a ValidationError or a Misfit is sent to the browser.
    """
    if isinstance(function, type) and type(value) is function:
        return value
    try:
        return function(value)
    except ValidationError as error:
        raise Misfit(f"does not fit: {' '.join(error.messages)}") from error
    except (Misfit, Deny):
        raise
    except Exception as error:
        raise Misfit(f"is not {_named(function)}") from error


_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "an integer",
    list: "a list",
    dict: "an object",
    datetime.date: "a date",
    datetime.datetime: "a date with a time",
    datetime.time: "a time",
    datetime.timedelta: "a duration",
}

#: The types of sequences, and the functions that create them from a list.
_SEQUENCES: Mapping[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    **dict.fromkeys((abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable), list),
}

_KNOWN: Mapping[Any, Convert] = {
    **{kind: partial(_items, kind, _same) for kind in (tuple, set, frozenset)},
    inspect.Parameter.empty: _same,
    Any: _same,
    object: _same,
    None: _none,
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: partial(_instance, str),
    list: partial(_instance, list),
    dict: partial(_instance, dict),
    Decimal: _decimal,
    UUID: _uuid,
    datetime.date: partial(_parsed, datetime.date, parse_date),
    datetime.datetime: partial(_parsed, datetime.datetime, _datetime),
    datetime.time: partial(_parsed, datetime.time, parse_time),
    datetime.timedelta: partial(_parsed, datetime.timedelta, parse_duration),
}


def _named(annotation: Any) -> str:
    if isinstance(annotation, type) and annotation in _NAMES:
        return _NAMES[annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_named(choice) for choice in get_args(annotation) if choice is not type(None))
    return f"a {getattr(annotation, '__name__', type(annotation).__name__)}"
