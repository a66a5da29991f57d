"""Random requests and messages for fuzz tests. A case depends on the seed and its number only, so it can be repeated.

FUZZ_CASES is how many cases all fuzz tests run together, FUZZ_SEED the seed. To repeat one case, set FUZZ_SEED and
FUZZ_ONLY to the seed and the number in the message of the failure.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CASES = int(os.environ.get("FUZZ_CASES", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
_ONLY = os.environ.get("FUZZ_ONLY")

#: Characters of what a failure shows of a case.
_SHOWN = 3_000
#: Cases that a failed test shows.
_REPORTED = 40


class Broken(io.BytesIO):
    """A body that ends before its length, because the client has closed the connection."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError("the client has closed the connection")

    readline = read  # type: ignore[assignment]


def numbers(share: float) -> Iterator[int]:
    """Yield the numbers of the cases of a test that has this share of all cases; FUZZ_ONLY alone, if it is set."""
    yield from [int(_ONLY)] if _ONLY else range(max(1, round(CASES * share)))


def source(name: str, number: int) -> random.Random:
    """Return the random numbers of one case of the test `name`."""
    return random.Random(f"{SEED} {name} {number}")


def shown(name: str, number: int, case: object) -> str:
    """Return what a failure says about its case."""
    return f"{name}: FUZZ_SEED={SEED} FUZZ_ONLY={number}: {case!r:.{_SHOWN}}"


class Found:
    """The cases of one test that went wrong: the test goes on, and reports the first of them together."""

    def __init__(self, name: str) -> None:
        self._name, self.cases = name, list[str]()

    def check(self, problems: list[str], number: int, case: object) -> None:
        """Keep a case, if there are problems with it."""
        if problems:
            self.cases.append("\n".join([shown(self._name, number, case), *problems]))

    def report(self) -> None:
        """Fail, if there is a case that went wrong."""
        assert not self.cases, f"{len(self.cases)} cases:\n\n" + "\n\n".join(self.cases[:_REPORTED])


class Faults(logging.Handler):
    """Collects the log records that no input may cause: errors, and records with a traceback."""

    def __init__(self, expected: Callable[[logging.LogRecord], bool] = lambda record: False) -> None:
        super().__init__(logging.NOTSET)
        self._expected, self.found = expected, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        has_traceback = bool(record.exc_info and record.exc_info[0])
        if (record.levelno >= logging.ERROR or has_traceback) and not self._expected(record):
            formatted = logging.Formatter("%(levelname)s %(name)s %(message)s").format(record)
            self.found.append(formatted[-_SHOWN:])

    def take(self) -> list[str]:
        """Return what was collected since the last call."""
        found, self.found = self.found, []
        return found


@contextmanager
def watched(expected: Callable[[logging.LogRecord], bool] = lambda record: False) -> Iterator[Faults]:
    """Collect the faults of all loggers while the block runs."""
    faults, root = Faults(expected), logging.getLogger()
    root.addHandler(faults)
    try:
        yield faults
    finally:
        root.removeHandler(faults)


_TEXTS = (
    "", " ", "0", "1", "-1", "true", "null", "news", "$user.1", "$user.2", "chat:room", "ws:echo:1", "$", ":", "::",
    "user#1,2", "&client", "*", "..", "/", "/news/", "//x", "%00", "%ff", "%u0041", "a" * 255, "a" * 256, "x" * 5_000,
    "\0", "a\0b", "\ud800", "\udfff\ud800", "\U0001f600", "é" * 200, "\u202e", "\ufeff", "İ", "ß", "a\u0301" * 50,
    "\r\nX: y", "'; --", "<script>", "{{ x }}", "%s%n", "${x}", "9" * 19, "9" * 40, "9" * 5_000, "1e999", "NaN", "-0",
    "9223372036854775807", "9223372036854775808", "2147483648", "0x10", "١٢", "²", "1_000", "2024-02-30",
    "2024-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+23:59", "0001-01-01T00:00:00-23:59", "24:00:00",
    "P999999999999D", "-P1W", "12345678-1234-1234-1234-123456789012", "sNaN", "Infinity", "1e-99999", "[]", "{}",
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 2, 255, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**40, 0.5, -0.0, 1e308, 5e-324,
)  # fmt: skip
#: Values that `json.dumps` does not write.
_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 4_301, "-", "01", "tru", "'a'", '"\\ud800"', '"\\x"', "\x00", "")
_KEYS = (
    "username", "password", "path", "channels", "channel", "client", "window", "user", "method", "data", "meta", "info",
    "name", "subs", "token", "id", "v", "m", "n", "c", "pk", "session", "headers", "limit", "since", "reverse",
    "offset", "epoch", "recover", "positioned", "flag", "error", "result", "disconnect", "code", "reason", "message",
    "b64data", "__proto__", "__class__", "self",
)  # fmt: skip


def text(rng: random.Random) -> str:
    """Return text, most often of the kind that breaks programs."""
    if rng.random() < 0.7:
        return rng.choice(_TEXTS)
    return "".join(
        chr(rng.choice((rng.randrange(128), rng.randrange(0x3000), rng.randrange(0x110000)))) for _ in range(8)
    )


def value(rng: random.Random, depth: int = 0) -> Any:
    """Return any value of JSON."""
    kind = rng.randrange(12 if depth < 3 else 8)
    if kind < 4:
        return text(rng)
    if kind < 6:
        return rng.choice(_NUMBERS)
    if kind < 8:
        return rng.choice((None, True, False))
    if kind < 10:
        return [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))]
    return {rng.choice((*_KEYS, text(rng))): value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))}


def names(rng: random.Random) -> list[Any]:
    """Return a list of names of channels, up to more than one request may name."""
    return [text(rng) for _ in range(rng.choice((0, 1, 3, 20, 20, 200)))]


def mutated(rng: random.Random, good: Any) -> Any:
    """Return `good` with one to three changes: values and keys replaced, removed or added, at any depth."""
    changed = json.loads(json.dumps(good))
    for _ in range(rng.choice((1, 1, 2, 3))):
        changed = _changed(rng, changed)
    return changed


def _changed(rng: random.Random, old: Any) -> Any:
    if not isinstance(old, dict | list) or not old or rng.random() < 0.1:
        return value(rng)
    if isinstance(old, list):
        place = rng.randrange(len(old))
        return [_changed(rng, item) if number == place else item for number, item in enumerate(old)]
    key, new = rng.choice(list(old)), dict(old)
    match rng.randrange(6):
        case 0:
            del new[key]
        case 1:
            new[rng.choice((*_KEYS, text(rng)))] = value(rng)
        case 2:
            new[rng.choice(_KEYS)] = new.pop(key)
        case 3:
            new[key] = names(rng) if key == "channels" else text(rng)
        case _:
            new[key] = _changed(rng, old[key])
    return new


def deep(rng: random.Random) -> str:
    """Return JSON of many levels, sometimes unfinished."""
    levels = rng.choice((50, 200, 330, 480, 700, 900, 980, 2_000, 60_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    return opening * levels + "1" + closing * (levels if rng.random() < 0.8 else rng.randrange(levels))


def encoded(rng: random.Random, good: Any) -> str:
    """Return a message as JSON text: mutated, and sometimes no JSON any more."""
    written = json.dumps(mutated(rng, good), ensure_ascii=rng.random() < 0.7)
    kind = rng.randrange(20)
    if kind == 0:
        return written[: rng.randrange(len(written) + 1)]
    if kind == 1:
        place = rng.randrange(len(written) + 1)
        return written[:place] + rng.choice((*_TEXTS, *_RAW)) + written[place:]
    if kind == 2 and isinstance(good, dict) and good:
        key = rng.choice(list(good))
        return json.dumps(good)[:-1] + f", {json.dumps(key)}: {rng.choice((*_RAW, deep(rng)))}}}"
    if kind == 3:
        return deep(rng)
    if kind == 4:
        return rng.choice(_RAW)
    if kind == 5 and isinstance(good, dict):  # each key twice
        return json.dumps(good)[:-1] + ", " + written[1:] if good and written[:1] == "{" else written
    return written


def body(rng: random.Random, good: Any) -> bytes:
    """Return the bytes of a body: JSON in UTF-8 most often."""
    written = encoded(rng, good)
    kind = rng.randrange(24)
    if kind == 0:
        return gzip.compress(written.encode("utf-8", "replace"), 1)
    if kind == 1:
        return written.encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")), "replace")
    if kind == 2:
        return rng.randbytes(rng.choice((1, 10, 1_000)))
    if kind == 3:
        return b""
    if kind == 4:
        return b" " * rng.choice((1, 3_000_000))
    whole = written.encode("utf-8", "surrogatepass")
    if kind == 5:
        place = rng.randrange(len(whole) + 1)
        return whole[:place] + rng.randbytes(3) + whole[place:]
    return whole


def header(rng: random.Random) -> str:
    """Return the value of a header as WSGI has it: any character of Latin-1 but those that servers refuse."""
    written = text(rng).encode("utf-8", "surrogatepass").decode("latin-1")
    return "".join(char for char in written if char not in "\0\r\n")[:8_000]
