"""A publisher that does what the real one cannot be made to do."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from instant.backends.go_frames import _exactly, frame

#: Gets the connection, and the (number, text) of the messages that come, from a function that waits for the next one.
Behaviour = Callable[["Session"], None]


class Session:
    def __init__(self, client: socket.socket) -> None:
        self.client, self.got = client, list[tuple[int, str]]()

    def read(self, count: int) -> list[int]:
        """Wait for so many messages; return their numbers."""
        numbers = []
        for _ in range(count):
            (length,) = struct.unpack(">I", _exactly(self.client, 4))
            kind, number, name_length = struct.unpack(">cQH", (body := _exactly(self.client, length))[:11])
            assert kind == b"P"
            command: dict[str, Any] = json.loads(body[11 + name_length :])
            assert command["channel"] == body[11 : 11 + name_length].decode()
            self.got.append((number, command["data"]["message"]))
            numbers.append(number)
        return numbers

    def say(self, kind: bytes, body: bytes) -> None:
        self.client.sendall(frame(kind, body))

    def take(self, *ranges: tuple[int, int]) -> None:
        self.say(b"A", b"".join(struct.pack(">QQ", *each) for each in ranges))

    def refuse(self, number: int, code: int, reason: str, retryable: bool = False) -> None:
        self.say(b"E", struct.pack(">QI?", number, code, retryable) + reason.encode())


class FakePublisher:
    """Serves the n-th connection by the n-th behaviour, all later ones by the last."""

    def __init__(self, path: Path, *behaviours: Behaviour) -> None:
        self.sessions: list[Session] = []
        self._behaviours, self._ended = behaviours, threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> FakePublisher:
        return self

    def __exit__(self, *error: object) -> None:
        for each in (self._listener, *[session.client for session in self.sessions]):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def texts(self) -> list[list[str]]:
        """What each connection got; without those that got nothing."""
        return [[text for _, text in session.got] for session in self.sessions if session.got]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                session = Session(client)
                behaviour = self._behaviours[min(len(self.sessions), len(self._behaviours) - 1)]
                self.sessions.append(session)
                thread = threading.Thread(target=self._serve, args=(session, behaviour), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, session: Session, behaviour: Behaviour) -> None:
        with session.client, suppress(OSError):
            (length,) = struct.unpack(">I", _exactly(session.client, 4))
            hello = json.loads(_exactly(session.client, length)[1:])
            hello.pop("ring", None)  # it reads the socket
            session.say(b"h", json.dumps({**hello, "pid": os.getpid()}).encode())
            behaviour(session)
