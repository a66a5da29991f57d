"""A TCP proxy that can be cut: how a client loses its connection while the server keeps running."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Cable:
    """Forward connections from `port`. `cut()` closes those that are open and refuses new ones, until `mend()`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.whole = True
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()

    def __enter__(self) -> Cable:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        self.cut()

    def cut(self) -> None:
        self.whole = False
        with self.lock:
            for end in self.open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.whole = True

    def forward(self, block: bytes, sink: socket.socket) -> None:
        """Send on what was received; an OSError closes the connection."""
        sink.sendall(block)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if not self.whole:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.open |= {near, far}
            both = threading.Barrier(2)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink, both), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, both: threading.Barrier) -> None:
        with suppress(OSError):
            while block := source.recv(65536):
                self.forward(block, sink)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        both.wait()  # now nobody reads from it
        with self.lock:
            self.open.discard(source)
        source.close()
