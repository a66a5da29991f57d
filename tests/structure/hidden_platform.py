"""Hides from a fresh interpreter what only Unix has, so that a test shows what other platforms would do.

Run `python -m tests.structure.hidden_platform import` to import every module of `instant`. It prints, as JSON, those
that cannot be imported, with their errors. Run `python -m tests.structure.hidden_platform manage COMMAND …` to run a
management command. Put `--set NAME=JSON` in front for a setting of Django.

`sys.platform` and `os.name` stay as they are. Other packages' modules that choose by these are imported first: on Unix,
asyncio cannot be imported without `fcntl`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

#: Modules of Python and of Celery that import what is hidden because `sys.platform` is not "win32".
_FIRST = ("asyncio", "multiprocessing.util", "subprocess", "billiard.compat")
#: Modules that Windows lacks.
MODULES = frozenset({"fcntl", "grp", "pwd", "resource", "termios"})
#: Names in modules that Windows lacks.
NAMES: tuple[tuple[ModuleType, str], ...] = (
    (os, "getuid"),
    (os, "fork"),
    (os, "register_at_fork"),
    (socket, "AF_UNIX"),
    (signal, "SIGHUP"),
    (signal, "pthread_sigmask"),
)


class _Missing(importlib.abc.MetaPathFinder):
    """Raises ModuleNotFoundError for each hidden module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in MODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def hide() -> None:
    """Hide the modules and names from everything that is imported from now on."""
    for name in _FIRST:
        with suppress(ImportError):
            importlib.import_module(name)
    # Windows has a pair of sockets without AF_UNIX, which event loops need.
    pair, family = socket.socketpair, socket.AF_UNIX
    socket.socketpair = lambda *_args, **_kwargs: pair(family)
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Missing())
    for module, name in NAMES:
        if hasattr(module, name):
            delattr(module, name)


def import_all(package: str = "instant") -> dict[str, str]:
    """Import every module of a package, and return the error of each that cannot be imported."""
    failed: dict[str, str] = {}
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda name: None):
        try:
            importlib.import_module(found.name)
        except Exception as error:
            failed[found.name] = f"{type(error).__name__}: {error}"
    return failed


def _set_up(given: list[str]) -> None:
    import django
    from django.conf import settings

    # An editable install would lend modules of its tree to another one.
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "_EditableFinder"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    for setting in given:
        name, _, text = setting.partition("=")
        value: Any = json.loads(text)
        setattr(settings, name, value)
    django.setup()


def main() -> None:
    """Hide, then do what the command line says."""
    parser = argparse.ArgumentParser(description="Import the package, or run a command, as on another platform.")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("what", choices=["import", "manage"])
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    hide()
    _set_up(options.settings)
    if options.what == "import":
        json.dump(import_all(), sys.stdout)
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["manage.py", *options.rest])


if __name__ == "__main__":
    main()
