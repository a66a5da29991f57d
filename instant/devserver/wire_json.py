"""JSON as Centrifugo reads and writes it: strict input, and compact output without zero values."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

UINT32: Final = 2**32 - 1
UINT64: Final = 2**64 - 1


class _Missing:
    def __bool__(self) -> bool:
        return False


#: Stands for a missing field of raw JSON, where `null` is a value.
MISSING: Final = _Missing()


class MalformedError(ValueError):
    """Input that Centrifugo's decoder would refuse: it is not JSON, or a value has a wrong type."""


class Frame(NamedTuple):
    """An encoded object for one or many clients. `size` is in bytes."""

    text: str
    size: int


def decode(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        MalformedError: the text is not JSON, has NaN or a number that is too large, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise MalformedError(str(error)) from error


def encode(value: object) -> str:
    """Return a value as JSON on one line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # JSON can contain a lone surrogate only as an escape sequence.
    return text if _encodable(text) else json.dumps(value, separators=(",", ":"))


def frame(value: object) -> Frame:
    """Encode an object once, for any number of clients."""
    text = encode(value)
    return Frame(text, len(text) if text.isascii() else len(text.encode()))


def filled(**fields: object) -> dict[str, Any]:
    """Return the fields without zero values (`0`, `""`, `false`, empty lists), which Centrifugo omits."""
    return {name: value for name, value in fields.items() if value}


def with_raw(fields: dict[str, Any], **raw: object) -> dict[str, Any]:
    """Add those raw JSON fields that are not MISSING, and return all fields."""
    fields.update((name, value) for name, value in raw.items() if value is not MISSING)
    return fields


def read(data: Mapping[str, Any], name: str, default: T) -> T:
    """Return a field of the same type as the default. A missing field, or `null`, returns the default.

    Raises:
        MalformedError: the field has another type. `True` is not a number.
    """
    value = data.get(name)
    if value is None:
        return default
    if type(value) is not type(default):
        raise MalformedError(f"{name} must be {type(default).__name__}")
    return value


def read_uint(data: Mapping[str, Any], name: str, limit: int = UINT64) -> int:
    """Return an unsigned integer, or 0 if the field is missing.

    Raises:
        MalformedError: the field is not an integer from 0 to `limit`.
    """
    value = read(data, name, 0)
    if not 0 <= value <= limit:
        raise MalformedError(f"{name} is out of range")
    return value


def read_object(data: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return an object, or None if the field is missing.

    Raises:
        MalformedError: the field is not an object.
    """
    return read(data, name, cast("dict[str, Any]", {})) if data.get(name) is not None else None


def read_strings(data: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of strings, which is empty if the field is missing.

    Raises:
        MalformedError: the field is not a list of strings.
    """
    values: list[Any] = read(data, name, [])
    if not all(isinstance(value, str) for value in values):
        raise MalformedError(f"{name} must contain only strings")
    return values


def read_raw(data: Mapping[str, Any], name: str) -> Any:
    """Return a field of raw JSON, or MISSING."""
    return data.get(name, MISSING)


def read_bytes(data: Mapping[str, Any], name: str) -> Any:
    """Return raw JSON from the field `b64NAME`, which has precedence, or from the field NAME.

    Raises:
        MalformedError: `b64NAME` is not a string.
        ValueError: it is not base64 of JSON. This is not a MalformedError, because only the one command fails.
    """
    encoded: str = read(data, f"b64{name}", "")
    if not encoded:
        return read_raw(data, name)
    try:
        return decode(base64.b64decode(encoded, validate=True))
    except (binascii.Error, MalformedError) as error:
        raise ValueError(str(error)) from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return value


def _encodable(text: str) -> bool:
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return False
    return True
