"""The one serializer: compact JSON, by orjson where it is installed, with the results of DjangoJSONEncoder.

With two differences: an integer that a browser would round, beyond ±(2^53 - 1), is written as text, and a member of an
Enum as its value.
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

#: The largest integer that JavaScript knows exactly (Number.MAX_SAFE_INTEGER).
_MAX_INTEGER = 2**53 - 1
#: Where JSON may hold a larger one: it has at least 16 digits.
_MANY_DIGITS = re.compile("[0-9]{16}")
#: What orjson writes as null only where it is None.
_FINITE = frozenset({str, int, bool, type(None), uuid.UUID})


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.value if isinstance(o, Enum) else super().default(o)  # as orjson does


# One kept encoder: json.dumps(cls=…) would build one for each message.
_encode: Callable[[object], str] = _Encoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _encode_slowly(value: object) -> bytes:
    text = _encode(value)
    if _MANY_DIGITS.search(text):
        text = _encode(_exact(value))
    return text.encode()


def _exact(value: Any) -> Any:
    """Return JSON's `value` with text for integers that a browser would round."""
    if isinstance(value, Enum) and not isinstance(value, int):
        value = value.value
    if isinstance(value, dict):
        return {key: _exact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    if isinstance(value, int) and not -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return int.__repr__(value)
    return value


def _encode_fast(value: object) -> bytes:
    """With orjson, but what it cannot do as DjangoJSONEncoder does is left to that.

    It writes NaN as null, and so a text with a null in it is written again, unless there is none in the value; large
    integers and keys that are no strings it refuses; and what is no plain JSON it is made to refuse, as it would write
    dates in another form.
    """
    try:
        text = orjson.dumps(value, option=_PASS)
    except orjson.JSONEncodeError:
        return _encode_slowly(value)
    # A copy: the memory of orjson's own is cut short in its place, and what was behind it, of kilobytes, lies idle.
    return b"%b" % text if b"null" not in text or _is_finite(value) else _encode_slowly(value)


def _is_finite(value: object) -> bool:
    """Tell whether each number in plain JSON is one; False where something in it is less plain."""
    todo: list[Any] = [value]
    for item in todo:  # it grows meanwhile
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
    """Return `value` as compact JSON; takes what DjangoJSONEncoder takes, but no NaN and no infinities.

    Integers beyond ±(2^53 - 1) become text, as a browser would round them.

    Raises:
        InvalidMessage: it has a value that JSON cannot hold.
    """
    try:
        return _encode_bytes(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"data that cannot be sent as JSON: {error}") from error


@lru_cache(maxsize=1024)
def quoted(text: str) -> bytes:
    """Return a short text, such as a channel's name, as JSON. Results are kept."""
    return json.dumps(text).encode()


def decode(content: bytes | str) -> Any:
    """Return what `content` holds as JSON.

    Raises:
        ValueError: it is no JSON, or has a number that `encode` refuses: NaN, or one that is infinite, such as 1e999.
        RecursionError: it has too many levels.
    """
    return json.loads(content, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text:.20} is no number that JSON can hold")
    return number
