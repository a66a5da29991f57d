"""Reloads the config of a running server: the options of channels, and the keys of tokens.

At SIGHUP Centrifugo reads only these parts of its config file again. Other changes need a restart, and are reported.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from django.apps import apps
from django.utils.autoreload import iter_all_python_module_files

from ..exceptions import InstantError

Config = Mapping[str, Any]
#: Makes the running server use a config.
Apply = Callable[[Config], None]
#: Reloads a changed config as long as its `with` block runs.
Reloading = Callable[[Apply], AbstractContextManager[None]]

#: Seconds between two checks of the files.
INTERVAL = 1.0


class Reloader:
    """Renders the config again at SIGHUP and, with `watch`, when a Python file of the project changes."""

    def __init__(
        self, config: Config, render: Callable[[], Config], say: Callable[[str], None], *, watch: bool
    ) -> None:
        self._render, self._say, self._watch = render, say, watch
        #: The config at start-up, the parts of it that the server has now, and the changes that were reported.
        self._first, self._applied, self._reported = config, _changeable(config), list[str]()
        self._seen = _modified() if watch else {}
        # A SimpleQueue, because a signal handler may interrupt another one: Event.set() is not reentrant.
        self._wake, self._is_stopped, self._applying = queue.SimpleQueue[None](), False, threading.Lock()

    @contextmanager
    def running(self, apply: Apply) -> Iterator[None]:
        """Reload changes while the block runs."""
        threading.Thread(target=self._work, args=(apply,), name="instant-reload", daemon=True).start()
        try:
            with self._at_hang_up():
                yield
        finally:
            self._is_stopped = True
            self._wake.put(None)
            with self._applying:  # a reload in progress needs the config file, which is deleted after the block
                pass

    @contextmanager
    def _at_hang_up(self) -> Iterator[None]:
        """Handle SIGHUP: reload if it was sent by hand, but terminate if the terminal was closed.

        Under nohup, SIGHUP stays ignored.
        """
        if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            yield
            return
        had_terminal = _has_terminal()

        def hang_up(signum: int, frame: FrameType | None) -> None:
            if had_terminal and not _has_terminal():
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                self._wake.put(None)

        before = signal.signal(signal.SIGHUP, hang_up)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def _work(self, apply: Apply) -> None:
        while True:
            asked = self._is_asked()
            if self._is_stopped:
                return
            modified = _modified() if self._watch else {}
            if asked or modified != self._seen:
                self._seen = modified
                self._renew(apply, asked)

    def _is_asked(self) -> bool:
        """Wait until a reload is requested, or until it is time to look for changed files."""
        try:
            self._wake.get(timeout=INTERVAL if self._watch else None)
        except queue.Empty:
            return False
        while not self._wake.empty():  # one reload is enough for several requests
            self._wake.get()
        return True

    def _renew(self, apply: Apply, asked: bool) -> None:
        try:
            config = self._render()
            channels, rest = _changeable(config), _differences(self._first, config)
            changed = channels != self._applied
            if changed:
                with self._applying:
                    if self._is_stopped:
                        return
                    client = {**self._first["client"], "token": config["client"]["token"]}
                    apply({**self._first, "client": client, "channel": config["channel"]})
                self._applied = channels
        except (InstantError, OSError, ValueError) as error:
            self._say(f"The server keeps its current config: {error}")
            return
        if changed:
            names = ", ".join(namespace["name"] for namespace in config["channel"]["namespaces"]) or "none"
            self._say(f"The server has reloaded its config. Namespaces: {names}.")
        elif asked and not rest:
            self._say("The config has not changed.")
        if rest and (asked or rest != self._reported):
            self._say(f"Restart runws: the server reads {', '.join(rest)} only when it starts.")
        self._reported = rest


def _changeable(config: Config) -> tuple[Any, Any]:
    return config["channel"], config["client"]["token"]


def _differences(first: Config, second: Config) -> list[str]:
    """Return the keys that differ and that a running server cannot reload."""
    found = set()
    for section in (set(first) | set(second)) - {"channel"}:
        old, new = first.get(section), second.get(section)
        if not isinstance(old, dict) or not isinstance(new, dict):
            found |= {section} if old != new else set()
            continue
        found |= {f"{section}.{key}" for key in set(old) | set(new) if old.get(key) != new.get(key)}
    return sorted(found - {"client.token"})


def _modified() -> dict[Path, int]:
    """Return the modification times (ns) of the project's modules and of Python files in app directories.

    The directories are included to notice new files.
    """
    paths = set(iter_all_python_module_files())
    for app in apps.get_app_configs():
        paths.update(Path(app.path).glob("*.py"))
    times = {}
    for path in paths:
        try:
            times[path] = path.stat().st_mtime_ns
        except OSError:
            continue
    return times


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
