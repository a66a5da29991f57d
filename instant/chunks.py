"""Cut many items into chunks: for queries, and for requests to the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

_T = TypeVar("_T")

#: Parameters of one query: SQLite accepted no more than 999 before 3.32.
QUERY_SIZE: Final = 500


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Cut the items into lists of at most `size`, in order. Nothing yields nothing."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
