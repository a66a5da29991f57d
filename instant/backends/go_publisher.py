"""The Go publisher's process: where its socket is, whether it is ours, and its start by who needs it first."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.core.signals import setting_changed
from django.utils.crypto import salted_hmac

from ..conf.settings import conf
from ..exceptions import InstantError
from ..secret_text import masked
from ..version import __version__
from . import process_exit
from .go_frames import frame, read_answer
from .shared_ring import Ring

try:
    import fcntl
except ImportError as error:
    raise ImportError(
        'the Go publisher needs file locks and Unix sockets, which this platform lacks: use "thread" instead'
    ) from error

BINARY = Path(__file__).parents[1] / "go" / "bin" / "publisher"
PROTOCOL = 1
#: Seconds without a message after which it ends, that one request to the server may take, and that its start may.
IDLE, REQUEST_TIMEOUT, START_TIMEOUT = 600.0, 5.0, 5.0
#: The longest path of a Unix socket that all systems take, with room for `.start`.
_MAX_PATH = 100
#: Exit status where another publisher has the socket.
_TAKEN = 3
#: Reasons for which a publisher takes no more, and another one may be started.
_LEAVING = ("idle", "stopping")


class NoPublisher(InstantError):
    """There is no publisher to be had; `retryable`: there may be one later."""

    def __init__(self, reason: str, retryable: bool) -> None:
        self.reason, self.retryable = reason, retryable
        super().__init__(reason, retryable)

    def __str__(self) -> str:
        return self.reason


def configuration() -> dict[str, Any]:
    """Return what a publisher is told at its start, by Django's settings. Each message asks, so it is kept."""
    return _configuration(IDLE, REQUEST_TIMEOUT)


@lru_cache(maxsize=4)
def _configuration(idle: float, request_timeout: float) -> dict[str, Any]:
    return {
        "protocol": PROTOCOL,
        "url": conf.server_url,
        "api_key": conf.api_key,
        "retry_for_ms": max(int(conf.INSTANT_GO_RETRY_FOR * 1000), 1),
        "queue_bytes": conf.INSTANT_GO_QUEUE,
        "idle_ms": int(idle * 1000),
        "timeout_ms": int(request_timeout * 1000),
    }


setting_changed.connect(lambda **_: _configuration.cache_clear(), weak=False)  # in tests


def fingerprint(config: dict[str, Any]) -> str:
    """Return what names this configuration, and tells nothing of its key: another one has a publisher of its own."""
    return salted_hmac("instant.go", json.dumps([__version__, config], sort_keys=True), algorithm="sha256").hexdigest()


def socket_path(name: str) -> Path:
    """Return INSTANT_GO_SOCKET, or a path in a folder that is this user's alone, made where there is none.

    Raises:
        NoPublisher: the folder is somebody else's.
    """
    if conf.INSTANT_GO_SOCKET:
        return Path(conf.INSTANT_GO_SOCKET).absolute()
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108
        path = Path(base, f"instant-{os.getuid()}", f"{name[:16]}.sock").absolute()
        if len(os.fsencode(path)) <= _MAX_PATH:
            break
    _make_private(path.parent)
    return path


def _make_private(folder: Path) -> None:
    """Others may write to where it is made, so somebody could have been there first."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NoPublisher(
            f"{folder} must be a folder of user {os.getuid()} with mode 0700, no link: remove it, or set "
            "INSTANT_GO_SOCKET to a path in a folder of your own",
            retryable=False,
        )


def connect(config: dict[str, Any], ring: Ring | None = None) -> socket.socket:
    """Return a connection to the publisher of this configuration, which is started where there is none.

    The publisher reads messages from `ring` if it can, and then that says so.

    Raises:
        NoPublisher: it cannot be started, or the one at this path is not ours.
    """
    name = fingerprint(config)
    try:
        path = socket_path(name)
        connection = _greeted(path, name, ring)
        if connection is None:
            with _lock(path):
                connection = _started(path, name, config, ring)
    except OSError as error:
        raise NoPublisher(f"no connection to the publisher: {error}", retryable=True) from error
    return connection


def figures() -> dict[str, Any] | None:
    """Return what the publisher of these settings says of itself; None where there is none, and none is started.

    Raises:
        NoPublisher: it does not answer, or the one at this path is not ours.
    """
    name = fingerprint(configuration())
    try:
        connection = _greeted(socket_path(name), name)
        if connection is None:
            return None
        with connection:
            connection.settimeout(START_TIMEOUT)
            connection.sendall(frame(b"S", b""))
            answer = read_answer(connection)
    except OSError as error:
        raise NoPublisher(f"the publisher did not answer: {error}", retryable=True) from error
    said: dict[str, Any] = json.loads(answer[1:])
    return said


def _started(path: Path, name: str, config: dict[str, Any], ring: Ring | None) -> socket.socket:
    """Connect to the one that another process has started in the meantime, else start it."""
    deadline = time.monotonic() + START_TIMEOUT
    while (connection := _greeted(path, name, ring)) is None:
        if time.monotonic() > deadline:
            raise NoPublisher(f"the publisher at {path} takes no connections and has not ended", retryable=True)
        if not _start(path, {**config, "fingerprint": name}):
            time.sleep(0.05)  # one that ends still has it
    return connection


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep the other processes from starting one at the same time."""
    file = os.open(path.with_name(path.name + ".start"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)  # a child forked meanwhile has the file too, and would hold it for ever
        os.close(file)


def _greeted(path: Path, name: str, ring: Ring | None = None) -> socket.socket | None:
    """Return a connection to who listens at this path; None where nobody does, or is about to end.

    Raises:
        NoPublisher: it is not ours, or has other settings.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(START_TIMEOUT)
        connection.connect(os.fspath(path))
        pid = _check_peer(connection, path)
        hello = {"protocol": PROTOCOL, "fingerprint": name, **({"ring": True} if ring else {})}
        socket.send_fds(connection, [frame(b"H", json.dumps(hello).encode())], [ring.fd] if ring else [])
        answer = read_answer(connection)
    except (FileNotFoundError, ConnectionError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    if answer[:1] == b"h":
        connection.settimeout(None)
        if ring is not None:
            ring.is_read = json.loads(answer[1:]).get("ring") is True
        return connection
    connection.close()
    reason = answer[1:].decode(errors="replace")
    if reason in _LEAVING:
        return None
    raise NoPublisher(
        f"the publisher at {path} (process {pid}) refused this process: {reason}; end it, or give each site its own "
        "INSTANT_GO_SOCKET",
        retryable=False,
    )


def _check_peer(connection: socket.socket, path: Path) -> int:
    """Return the process that listens; messages are not for other users, and their answers not to be believed."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    if uid != os.getuid():
        raise NoPublisher(f"what listens at {path} belongs to user {uid}, not to {os.getuid()}", retryable=False)
    return int(pid)


def _start(path: Path, config: dict[str, Any]) -> bool:
    """Start a publisher and wait until it listens; False where another one has the socket.

    Raises:
        NoPublisher: it does not start.
    """
    said: Future[tuple[bytes, int]] = Future()
    try:
        threading.Thread(target=_tend, args=(path, config, said), name="instant-publisher", daemon=True).start()
        word, status = said.result(2 * START_TIMEOUT)
    except RuntimeError as error:  # no threads are started when the interpreter ends
        raise NoPublisher(f"the publisher did not start: {error}", retryable=False) from error
    except FutureTimeout as error:
        raise NoPublisher("the publisher did not start: no word of it in time", retryable=True) from error
    except OSError as error:
        raise NoPublisher(f"no publisher binary that can be run at {BINARY}: {error}", retryable=False) from error
    if word == b"ready\n":
        return True
    if status == _TAKEN:
        return False
    reason = masked(word.decode(errors="replace").strip()) or "it said nothing"
    raise NoPublisher(f"the publisher did not start (exit status {status}): {reason}", retryable=True)


def _tend(path: Path, config: dict[str, Any], said: Future[tuple[bytes, int]]) -> None:
    """Start the process, hand on what it says, and take note of its end: else it would stay as a zombie."""
    process_exit.leave_signals_to_main_thread(False)  # the publisher, which is ended by SIGTERM, has this thread's mask
    try:
        process = subprocess.Popen(  # noqa: S603
            [BINARY, "-socket", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={key: os.environ[key] for key in ("SSL_CERT_FILE", "SSL_CERT_DIR") if key in os.environ},
            start_new_session=True,
        )
    except OSError as error:
        said.set_exception(error)
        return
    finally:
        process_exit.leave_signals_to_main_thread()
    timer = threading.Timer(START_TIMEOUT, process.kill)
    timer.daemon = True
    timer.start()
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(json.dumps(config).encode() + b"\n")
    word = process.stdout.readline()
    timer.cancel()
    if word != b"ready\n":
        word, _ = process.stderr.read(), process.wait()
    process.stdout.close()
    process.stderr.close()
    said.set_result((word, process.returncode or 0))
    process.wait()
