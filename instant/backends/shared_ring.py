"""Memory shared with the Go publisher: a message written there is handed over without a system call.

A write to a socket would be most of the cost of a `publish()`. `instant/go/doc.go` describes the layout.
"""

from __future__ import annotations

import mmap
import os

#: Bytes before the frames, and for them: a power of two.
HEADER, SIZE = 4096, 1 << 20
#: Words of the header, 8 bytes each and far apart: processors share memory by lines of 64 bytes.
_HEAD, _TAIL, _SLEEPS = 0, 8, 16


def new_ring() -> Ring | None:
    """Return a new ring, or None if the system has no such memory: only Linux has, and a sandbox may forbid it."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        return Ring()
    except OSError:
        return None


class Ring:
    """A ring buffer: one thread of this process writes at a time, and the publisher reads.

    Raises:
        OSError: the memory could not be allocated.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("instant-ring")
        try:
            os.ftruncate(self.fd, HEADER + SIZE)
            self._memory = mmap.mmap(self.fd, HEADER + SIZE)
        except OSError:
            os.close(self.fd)
            raise
        self._words = memoryview(self._memory).cast("Q")
        self._head = 0
        #: Whether the publisher has confirmed that it reads from here.
        self.is_read = False

    def put(self, data: bytes) -> int:
        """Write as many bytes as fit, and return their number."""
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
        self._words[_HEAD] = self._head  # last: the reader may use everything before it
        return count

    @property
    def has_sleeping_reader(self) -> bool:
        """Whether the publisher must be woken. It sets this word a millisecond before its last check for data."""
        return bool(self._words[_SLEEPS])

    def close_descriptor(self) -> None:
        """Close the file descriptor, once the publisher has it. The memory is freed with this object, and the
        publisher keeps it until it has read everything."""
        os.close(self.fd)
