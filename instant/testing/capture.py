"""capture_published(): the messages that are published inside a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, overload

from ..backends import made, standing_in
from ..backends.memory import Box, MemoryBackend
from ..centrifugo import offline
from ..messages import Message
from .on_commit import CommitsInTest

_ANY: Any = object()


class Published(Sequence[Message]):
    """The published messages, in order. Reading them first runs pending on-commit work (see `capture_published`)."""

    def __init__(self, box: Box, channel: str | None) -> None:
        self._box, self._channel = box, channel
        self._commits = CommitsInTest()
        self.closed = False

    def run_commits(self) -> None:
        """Run the on-commit work registered since the block began, and the work that it registers."""
        if not self.closed:
            self._commits.run()

    @property
    def messages(self) -> list[Message]:
        """The messages, as a new list."""
        self.run_commits()
        return [item for item in self._box.values() if self._channel in (None, item.channel)]

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self.messages[index]

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        lines = [f"  {item.channel}: {item.payload.decode()}" for item in self.messages]
        return "\n".join(["Published:", *lines]) if lines else "Nothing was published."

    def assert_published(
        self, channel: str, *, message: Any = _ANY, data: Any = _ANY, event_class: Any = _ANY, bucket: Any = _ANY
    ) -> Message:
        """Return the first message to `channel` with these contents. Omitted arguments are not compared.

        Raises:
            AssertionError: there is no such message; the text shows what was published.
        """
        wanted = {"message": message, "data": data, "event_class": event_class, "bucket": bucket}
        wanted = {name: value for name, value in wanted.items() if value is not _ANY}
        for item in self.messages:
            if item.channel == channel and all(getattr(item, name) == value for name, value in wanted.items()):
                return item
        contents = "".join(f", {name}={value!r}" for name, value in wanted.items())
        raise AssertionError(f"No message like ({channel!r}{contents}) was published.\n{self!r}")

    def assert_nothing_published(self, channel: str | None = None) -> None:
        """Fail if anything was published, or anything to `channel`.

        Raises:
            AssertionError: something was published; the text shows it.
        """
        if any(channel in (None, item.channel) for item in self.messages):
            raise AssertionError(f"Something was published{f' to {channel!r}' if channel else ''}.\n{self!r}")


@contextmanager
def capture_published(channel: str | None = None) -> Iterator[Published]:
    """Capture messages published inside the block, or only those to `channel`, instead of sending them.

    In a TestCase, or with `pytest.mark.django_db`, the on-commit work registered inside runs when the messages are
    read, and at the end of the block.
    """
    backend = made("memory")
    assert isinstance(backend, MemoryBackend)
    with offline.silenced(), standing_in(backend), backend.capture() as box:
        published = Published(box, channel)
        try:
            yield published
            published.run_commits()
        finally:
            published.closed = True
