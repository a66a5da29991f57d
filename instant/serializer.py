"""Serializes data as compact JSON, with orjson if it is installed, and otherwise with DjangoJSONEncoder.

The output is that of DjangoJSONEncoder, with these differences: integers beyond ±(2^53 - 1), which a browser would
round, are written as text; members of an Enum are written as their values; NaN and infinities are refused.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from .exceptions import InvalidMessage

#: The largest integer that JavaScript represents exactly (Number.MAX_SAFE_INTEGER).
_MAX_INTEGER = 2**53 - 1
#: Matches JSON that may hold a larger integer, which has at least 16 digits.
_MANY_DIGITS = re.compile("[0-9]{16}")
#: Types whose values orjson writes as null only if they are None.
_FINITE = frozenset({str, int, bool, type(None), uuid.UUID})


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.value if isinstance(o, Enum) else super().default(o)  # as orjson does


# One encoder for all messages, because json.dumps(cls=…) would create an encoder for each message.
_encode: Callable[[object], str] = _Encoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _encode_slowly(value: object) -> bytes:
    text = _encode(value)
    if _MANY_DIGITS.search(text):
        text = _encode(exact(value))
    return text.encode()


def exact(value: Any) -> Any:
    """Return plain JSON data with text instead of integers that a browser would round."""
    if isinstance(value, Enum) and not isinstance(value, int):
        value = value.value
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [exact(inner) for inner in value]
    if isinstance(value, int) and not -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return int.__repr__(value)
    return value


def _encode_fast(value: object) -> bytes:
    """Encode with orjson. If its result could differ from that of DjangoJSONEncoder, encode with DjangoJSONEncoder.

    orjson refuses large integers and keys that are not strings. With these options it also refuses dates, dataclasses
    and subclasses, which it would write differently. All these are then encoded by DjangoJSONEncoder. orjson writes NaN
    as null, so a value whose result contains null is encoded again, unless all its numbers are finite.
    """
    try:
        text = orjson.dumps(value, option=_PASS)
    except orjson.JSONEncodeError:
        return _encode_slowly(value)
    # The result is copied. orjson shrinks its buffer in place, and the memory after it, some kilobytes, stays unused.
    return b"%b" % text if b"null" not in text or _is_finite(value) else _encode_slowly(value)


def _is_finite(value: object) -> bool:
    """Report whether all numbers in plain JSON are finite. Return False if a value is not plain."""
    todo: list[Any] = [value]
    for item in todo:  # the list grows meanwhile
        kind = type(item)
        if kind is dict:
            todo += item.values()
        elif kind is list or kind is tuple:
            todo += item
        elif kind not in _FINITE and not (kind is float and isfinite(item)):
            return False
    return True


try:
    import orjson
except ImportError:
    _encode_bytes = _encode_slowly
else:
    _PASS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
    _PASS |= orjson.OPT_STRICT_INTEGER
    _encode_bytes = _encode_fast


def encode(value: object) -> bytes:
    """Return `value` as compact JSON. Accept everything that DjangoJSONEncoder accepts, except NaN and infinities.

    Integers beyond ±(2^53 - 1) become text, because a browser would round them.

    Raises:
        InvalidMessage: JSON cannot hold the value.
    """
    try:
        return _encode_bytes(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"The data cannot be sent as JSON: {error}") from error


@lru_cache(maxsize=1024)
def quoted(text: str) -> bytes:
    """Return a short text, such as a channel's name, as JSON. Results are cached."""
    return json.dumps(text).encode()


def decode(content: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON, or it has a number that `encode` refuses: NaN, or an infinite one such as 1e999.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"JSON cannot hold the number {text:.20}")
    return number
