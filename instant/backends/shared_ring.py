"""Memory that this process shares with the Go publisher: what is written there is the publisher's, at no system call.

A write to a socket costs ten times as much, and most of a `publish()`. The layout is in `instant/go/ring.go`.
"""

from __future__ import annotations

import mmap
import os

#: Bytes before the frames, and for them: a power of two.
HEADER, SIZE = 4096, 1 << 20
#: Words of the header, 8 bytes each and far apart: processors share memory by lines of 64 bytes.
_HEAD, _TAIL, _SLEEPS = 0, 8, 16


def is_possible() -> bool:
    """Whether this system has memory that can be handed on by its file descriptor: Linux has."""
    return hasattr(os, "memfd_create")


class Ring:
    """One process writes, one thread at a time; the publisher reads."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("instant-ring")
        os.ftruncate(self.fd, HEADER + SIZE)
        self._memory = mmap.mmap(self.fd, HEADER + SIZE)
        self._words = memoryview(self._memory).cast("Q")
        self._head = 0
        #: Whether the publisher has said that it reads here.
        self.is_read = False

    def put(self, data: bytes) -> int:
        """Write as much as there is room for; return how many bytes that were."""
        count = min(len(data), SIZE - (self._head - self._words[_TAIL]))
        start = self._head & SIZE - 1
        first = min(count, SIZE - start)
        place = HEADER + start
        if first == len(data):
            self._memory[place : place + first] = data
        else:
            self._memory[place : place + first] = data[:first]
            self._memory[HEADER : HEADER + count - first] = data[first:count]
        self._head += count
        self._words[_HEAD] = self._head  # at last: what is before it is complete
        return count

    @property
    def has_sleeping_reader(self) -> bool:
        """Whether the publisher must be woken. Before it sleeps it says so, and looks again a millisecond later."""
        return bool(self._words[_SLEEPS])

    def close_descriptor(self) -> None:
        """Close the file descriptor, once the publisher has it. The memory is freed with this object, and the
        publisher keeps it until it has read everything."""
        os.close(self.fd)
