"""Glob patterns in Centrifugo's syntax, for `client.allowed_origins` and the `channels` API method.

`*` also matches `/`, `.` and `:`. The other wildcards are `?`, `[abc]`, `[a-z]`, `[!a]` and `{one,two}`. A backslash
escapes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PART = re.compile(
    r"\\(?P<escaped>.)|(?P<star>\*+)|(?P<one>\?)|\[(?P<not>!?)(?P<set>[^\]]+)\]|(?P<mark>[{},\[\\])",
    re.DOTALL,
)


class OriginCheck:
    """Decides by the `Origin` header whether a client may connect.

    Clients that send no `Origin` may always connect. Browsers send one, and may connect only if it is allowed.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._patterns = [compile_glob(pattern) for pattern in allowed]

    def allows(self, origin: str) -> bool:
        """Return whether the origin matches a pattern.

        Scheme and port are compared, too. As in Centrifugo, the origin is lowered first, but not the pattern.
        """
        return not origin or any(pattern.fullmatch(origin.lower()) for pattern in self._patterns)


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Return the pattern as a regular expression for `fullmatch`. Unpaired braces match themselves.

    Raises:
        ValueError: a bracket is not closed, a range is reversed, a brace is closed before it is opened, or the pattern
            ends with a backslash.
    """
    depth, end, parts = 0, 0, []
    paired = pattern.count("{") == pattern.count("}")
    for found in _PART.finditer(pattern):
        parts.append(re.escape(pattern[end : found.start()]))
        end = found.end()
        if found["mark"] in ("[", "\\"):
            raise ValueError(f"malformed pattern {pattern!r}")
        depth += {"{": 1, "}": -1}.get(found["mark"] or "", 0) if paired else 0
        parts.append(_translated(found, depth) if paired or not found["mark"] else re.escape(found["mark"]))
    try:
        return re.compile("".join([*parts, re.escape(pattern[end:])]), re.DOTALL)
    except re.error as error:
        raise ValueError(f"malformed pattern {pattern!r}") from error


def _translated(found: re.Match[str], depth: int) -> str:
    if found["escaped"]:
        return re.escape(found["escaped"])
    if found["set"]:
        allowed = re.sub(r"([\[\]^\\&~|])", r"\\\1", found["set"])
        return f"[{'^' if found['not'] else ''}{allowed}]"
    if found["star"]:
        return ".*"
    if found["one"]:
        return "."
    mark = found["mark"]
    if mark == ",":
        return "|" if depth else ","
    return "(?:" if mark == "{" else ")"
