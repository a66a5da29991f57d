"""Hands the running server what has changed in its config: the options of channels, and the keys of tokens.

Centrifugo reads no more of its file again at SIGHUP. What else has changed is told: it needs another start.
"""

from __future__ import annotations

import os
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
#: Hands a config to the server that runs.
Apply = Callable[[Config], None]
#: Makes a config be handed over, when there is another one, for as long as a block runs.
Reloading = Callable[[Apply], AbstractContextManager[None]]

#: Seconds between two looks at the files.
INTERVAL = 1.0


class Reloader:
    """Renders the config again when a file of the project changes, if it is to `watch` them, and at SIGHUP."""

    def __init__(
        self, config: Config, render: Callable[[], Config], say: Callable[[str], None], *, watch: bool
    ) -> None:
        self._render, self._say, self._watch = render, say, watch
        #: What the server was started with, what it has been handed of it, and what was told.
        self._first, self._handed, self._told = config, _changeable(config), list[str]()
        self._seen = _modified() if watch else {}
        self._wake, self._over, self._handing = threading.Event(), False, threading.Lock()

    @contextmanager
    def running(self, apply: Apply) -> Iterator[None]:
        """Watch while the block runs."""
        threading.Thread(target=self._work, args=(apply,), name="instant-reload", daemon=True).start()
        try:
            with self._at_hang_up():
                yield
        finally:
            self._over = True
            self._wake.set()
            with self._handing:  # what is being handed over needs the file that goes with the block
                pass

    @contextmanager
    def _at_hang_up(self) -> Iterator[None]:
        """SIGHUP by hand asks for a new config; that of a terminal which has been closed ends us, as ever.

        With nohup it is ignored, and stays so.
        """
        if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            yield
            return
        had_terminal = _has_terminal()

        def hang_up(signum: int, frame: FrameType | None) -> None:
            if had_terminal and not _has_terminal():
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                self._wake.set()

        before = signal.signal(signal.SIGHUP, hang_up)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def _work(self, apply: Apply) -> None:
        while True:
            asked = self._wake.wait(INTERVAL if self._watch else None)
            if self._over:
                return
            self._wake.clear()
            modified = _modified() if self._watch else {}
            if asked or modified != self._seen:
                self._seen = modified
                self._renew(apply, asked)

    def _renew(self, apply: Apply, asked: bool) -> None:
        try:
            config = self._render()
            channels, rest = _changeable(config), _differences(self._first, config)
            changed = channels != self._handed
            if changed:
                with self._handing:
                    if self._over:
                        return
                    client = {**self._first["client"], "token": config["client"]["token"]}
                    apply({**self._first, "client": client, "channel": config["channel"]})
                self._handed = channels
        except (InstantError, OSError, ValueError) as error:
            self._say(f"The server keeps its config: {error}")
            return
        if changed:
            names = ", ".join(namespace["name"] for namespace in config["channel"]["namespaces"]) or "none"
            self._say(f"The server has read its config again. Namespaces: {names}.")
        elif asked and not rest:
            self._say("The config is what the server has.")
        if rest and (asked or rest != self._told):
            self._say(f"Start runws again: the server reads {', '.join(rest)} at its start only.")
        self._told = rest


def _changeable(config: Config) -> tuple[Any, Any]:
    return config["channel"], config["client"]["token"]


def _differences(first: Config, second: Config) -> list[str]:
    """The keys that differ and cannot be handed over."""
    found = set()
    for section in (set(first) | set(second)) - {"channel"}:
        old, new = first.get(section), second.get(section)
        if not isinstance(old, dict) or not isinstance(new, dict):
            found |= {section} if old != new else set()
            continue
        found |= {f"{section}.{key}" for key in set(old) | set(new) if old.get(key) != new.get(key)}
    return sorted(found - {"client.token"})


def _modified() -> dict[Path, int]:
    """When each module of the project was written last, and each file beside the apps' own: new ones are found, too."""
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
