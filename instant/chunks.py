"""Split items into chunks, for queries and for requests to the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

_T = TypeVar("_T")

#: Parameters of one query. SQLite before 3.32 accepts at most 999.
QUERY_SIZE: Final = 500


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield the items in lists of at most `size`, in order. Without items, yield nothing."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
