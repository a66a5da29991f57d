"""The Go publisher's process: finds or starts it, connects to it and verifies its owner."""

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
        'The Go publisher needs file locks and Unix sockets, which this platform does not have: use "thread" instead.'
    ) from error

BINARY = Path(__file__).parents[1] / "go" / "bin" / "publisher"
PROTOCOL = 1
#: Seconds: without messages until the publisher exits, for one request to the server, and for the publisher's start.
IDLE, REQUEST_TIMEOUT, START_TIMEOUT = 600.0, 5.0, 5.0
#: Maximum length in bytes of a Unix socket path on all systems, with space for the suffix `.start`.
_MAX_PATH = 100
#: Exit status if another publisher has the socket.
_TAKEN = 3
#: Reasons for closing a connection after which a new publisher may be started.
_LEAVING = ("idle", "stopping")


class NoPublisher(InstantError):
    """No publisher is available. `retryable` says whether one may become available later."""

    def __init__(self, reason: str, retryable: bool) -> None:
        self.reason, self.retryable = reason, retryable
        super().__init__(reason, retryable)

    def __str__(self) -> str:
        return self.reason


def configuration() -> dict[str, Any]:
    """Return the publisher's configuration for the current settings. It is cached, because each message needs it."""
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
    """Return an identifier of a configuration, and so of its publisher. It does not reveal the API key."""
    return salted_hmac("instant.go", json.dumps([__version__, config], sort_keys=True), algorithm="sha256").hexdigest()


def socket_path(name: str) -> Path:
    """Return INSTANT_GO_SOCKET, or a path in a private directory of this user, which is created if necessary.

    Raises:
        NoPublisher: the directory belongs to another user, or others have access to it.
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
    """Create a private directory, or verify an existing one.

    Other users can write to the parent directory, so one of them may have created it.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NoPublisher(
            f"{folder} must be a directory of user {os.getuid()} with mode 0700, no link: remove it, or set "
            "INSTANT_GO_SOCKET to a path in a directory of your own",
            retryable=False,
        )


def connect(config: dict[str, Any], ring: Ring | None = None) -> socket.socket:
    """Return a connection to the publisher of this configuration, and start the publisher if none is running.

    If the publisher can read messages from `ring`, `ring.is_read` is set.

    Raises:
        NoPublisher: the publisher cannot be started, does not respond, or belongs to another user or site.
    """
    name = fingerprint(config)
    try:
        path = socket_path(name)
        connection = _handshake(path, name, ring)
        if connection is None:
            with _lock(path):
                connection = _started(path, name, config, ring)
    except OSError as error:
        raise NoPublisher(f"no connection to the publisher: {error}", retryable=True) from error
    return connection


def figures() -> dict[str, Any] | None:
    """Return the statistics of the publisher of these settings, or None if it is not running.

    Raises:
        NoPublisher: the publisher does not respond, or belongs to another user or site.
    """
    name = fingerprint(configuration())
    try:
        connection = _handshake(socket_path(name), name)
        if connection is None:
            return None
        with connection:
            connection.settimeout(START_TIMEOUT)
            connection.sendall(frame(b"S", b""))
            answer = read_answer(connection)
    except OSError as error:
        raise NoPublisher(f"the publisher did not respond: {error}", retryable=True) from error
    said: dict[str, Any] = json.loads(answer[1:])
    return said


def _started(path: Path, name: str, config: dict[str, Any], ring: Ring | None) -> socket.socket:
    """Connect to a publisher that another process has started in the meantime, or start one."""
    deadline = time.monotonic() + START_TIMEOUT
    while (connection := _handshake(path, name, ring)) is None:
        if time.monotonic() > deadline:
            raise NoPublisher(f"the publisher at {path} accepts no connections but is still running", retryable=True)
        if not _start(path, {**config, "fingerprint": name}):
            time.sleep(0.05)  # a publisher that is exiting still has the socket
    return connection


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lock the start of a publisher against other processes."""
    file = os.open(path.with_name(path.name + ".start"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)  # otherwise a child forked meanwhile would keep the lock
        os.close(file)


def _handshake(path: Path, name: str, ring: Ring | None = None) -> socket.socket | None:
    """Return a connection to the publisher at this path, or None if there is none or it is exiting.

    Raises:
        NoPublisher: the publisher belongs to another user, or has other settings.
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
    """Return the process id of the listener, or 0 if the system cannot report it.

    Messages must not be sent to a process of another user, and its responses must not be trusted.

    Raises:
        NoPublisher: the process belongs to another user.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    if uid != os.getuid():
        raise NoPublisher(f"the process at {path} belongs to user {uid}, not to {os.getuid()}", retryable=False)
    return int(pid)


def _start(path: Path, config: dict[str, Any]) -> bool:
    """Start a publisher and wait until it listens. Return False if another publisher has the socket.

    Raises:
        NoPublisher: the publisher did not start.
    """
    said: Future[tuple[bytes, int]] = Future()
    try:
        threading.Thread(target=_run, args=(path, config, said), name="instant-publisher", daemon=True).start()
        word, status = said.result(2 * START_TIMEOUT)
    except RuntimeError as error:  # no thread can be started during interpreter shutdown
        raise NoPublisher(f"the publisher did not start: {error}", retryable=False) from error
    except FutureTimeout as error:
        raise NoPublisher("the publisher did not start: it did not report in time", retryable=True) from error
    except OSError as error:
        raise NoPublisher(f"no publisher binary that can be run at {BINARY}: {error}", retryable=False) from error
    if word == b"ready\n":
        return True
    if status == _TAKEN:
        return False
    reason = masked(word.decode(errors="replace").strip()) or "it reported no reason"
    raise NoPublisher(f"the publisher did not start (exit status {status}): {reason}", retryable=True)


def _run(path: Path, config: dict[str, Any], said: Future[tuple[bytes, int]]) -> None:
    """Start the process, pass its first output to `said`, and wait for its end so that it does not become a zombie."""
    process_exit.leave_signals_to_main_thread(False)  # the publisher inherits this mask
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
