"""Memory that is shared with the Go publisher. A message is passed on by writing it there, without a system call.

A write to a socket would be most of the cost of a `publish()`. `instant/go/doc.go` describes the layout.
"""

from __future__ import annotations

import mmap
import os

#: Size in bytes of the header, and of the buffer for frames, which is a power of two.
HEADER, SIZE = 4096, 1 << 20
#: Indexes of the header's 8-byte words. They are in different 64-byte cache lines.
_HEAD, _TAIL, _SLEEPS = 0, 8, 16


def new_ring() -> Ring | None:
    """Return a new ring, or None if the system does not support it.

    It needs Linux's memfd_create, which a sandbox may forbid.
    """
    if not hasattr(os, "memfd_create"):
        return None
    try:
        return Ring()
    except OSError:
        return None


class Ring:
    """A ring buffer with one writer at a time in this process and one reader, the publisher.

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
        #: Whether the publisher has confirmed that it reads this ring.
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
        self._words[_HEAD] = self._head  # written last: the reader may use everything before this position
        return count

    @property
    def has_sleeping_reader(self) -> bool:
        """Whether the publisher must be woken. It sets this word one millisecond before its last check for data."""
        return bool(self._words[_SLEEPS])

    def close_descriptor(self) -> None:
        """Close the file descriptor after the publisher has received it.

        The memory is freed with this object. The publisher keeps its own mapping until it has read everything.
        """
        os.close(self.fd)
