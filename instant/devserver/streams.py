"""The history of one channel: publications with offsets in an epoch."""

from __future__ import annotations

import secrets
import string
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from instant.devserver import wire_json

if TYPE_CHECKING:
    from instant.devserver.config_options import ChannelOptions


class Position(NamedTuple):
    """A position in a stream. Offsets can be compared only within one epoch."""

    offset: int = 0
    epoch: str = ""

    def encoded(self) -> dict[str, Any]:
        """Return the position as fields of a reply."""
        return wire_json.filled(offset=self.offset, epoch=self.epoch)


class Publication(NamedTuple):
    """One message. Its offset is 0 if it is not in the history. Only the first publication of a stream has an epoch."""

    data: Any
    offset: int = 0
    tags: dict[str, str] | None = None
    info: dict[str, Any] | None = None
    epoch: str = ""

    def encoded(self) -> dict[str, Any]:
        """Return the fields of a push or reply to a client."""
        return {"data": self.data, **wire_json.filled(**{**self._asdict(), "data": None})}


class Stream:
    """The latest publications of a channel.

    All publications are dropped `history_ttl` seconds after the last one. The position is kept until the stream has not
    been used for `history_meta_ttl` seconds. A new stream has a new epoch.
    """

    def __init__(self) -> None:
        self.epoch = "".join(secrets.choice(string.ascii_letters) for _ in range(8))
        self.top = 0
        self.removed_at = 0.0
        self._version, self._version_epoch = 0, ""
        self._items: deque[Publication] = deque()
        self._expires_at = 0.0

    @property
    def position(self) -> Position:
        """The offset of the latest publication, and the epoch."""
        return Position(self.top, self.epoch)

    def touch(self, now: float, meta_ttl: float) -> None:
        """Keep the stream for `meta_ttl` seconds from `now` (in seconds), and drop expired publications."""
        self.removed_at = now + meta_ttl
        if now >= self._expires_at:
            self.clear()

    def knows_version(self, version: int, version_epoch: str) -> bool:
        """Return whether an equal or newer version has been added. Version 0 means that there is no version."""
        same = version_epoch in ("", self._version_epoch)
        return version > 0 and self.top > 0 and same and version <= self._version

    def add(
        self, publication: Publication, options: ChannelOptions, now: float, version: int, version_epoch: str
    ) -> Publication:
        """Append a publication and return it with its offset."""
        self.top += 1
        placed = publication._replace(offset=self.top, epoch=self.epoch if self.top == 1 else "")
        self._items.append(placed)
        while len(self._items) > options.history_size:
            self._items.popleft()
        self._expires_at = now + options.history_ttl
        self._version, self._version_epoch = version, version_epoch
        return placed

    def clear(self) -> None:
        """Drop the publications, and keep the position."""
        self._items.clear()

    def read(self, since: int | None, limit: int, *, reverse: bool = False) -> list[Publication]:
        """Return publications after an offset, or before it if `reverse` is true.

        A negative limit means no limit; 0 returns nothing. If the publications right after `since` have been dropped,
        reading forwards starts with the oldest one in the stream.
        """
        items = list(self._items)
        if since is not None and items:
            index = since + 1 - items[0].offset
            before = items[: index - 1] if 0 <= index - 2 < len(items) else []
            items = before if reverse else items[max(index, 0) :]
        if reverse:
            items.reverse()
        return items if limit < 0 else items[:limit]
