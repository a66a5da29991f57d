"""The server's binary: where it is, and which version it reports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from django.conf import settings

from ..conf.settings import conf
from ..exceptions import ServerFailed, ServerNotFound

#: A version such as 6.9.1 or 6.10.0-rc.1, as a regular expression.
VERSION_PATTERN = r"\d+\.\d+\.\d+(?:[-+.][0-9A-Za-z.+-]+)?"


def install_dir() -> Path:
    """Return the folder of installws: `centrifugo` in BASE_DIR, or in the current folder where there is none."""
    return Path(getattr(settings, "BASE_DIR", None) or Path.cwd()) / "centrifugo"


def find_binary() -> Path:
    """Return the server's binary: that of CENTRIFUGO_BINARY, of the install folder, or the one on PATH.

    Raises:
        ServerNotFound: there is none, or CENTRIFUGO_BINARY is not one.
    """
    if conf.CENTRIFUGO_BINARY:
        found = shutil.which(conf.CENTRIFUGO_BINARY)
        if found is None:
            raise ServerNotFound(f"CENTRIFUGO_BINARY is {conf.CENTRIFUGO_BINARY!r}: no program of that name")
        return Path(found)
    name = "centrifugo.exe" if os.name == "nt" else "centrifugo"
    found = shutil.which(install_dir() / name) or shutil.which(name)
    if found is None:
        raise ServerNotFound(
            "Centrifugo is not installed: run `manage.py installws`, or set CENTRIFUGO_BINARY to where it is"
        )
    return Path(found)


def reported_version(binary: Path) -> str:
    """Return the version that the binary reports, such as "6.9.1"; its own words where they hold none.

    "0.0.0" is a development build.

    Raises:
        ServerFailed: it does not run, or not as Centrifugo does.
    """
    command = [str(binary.absolute()), "version"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ServerFailed(f"{binary} does not run as Centrifugo on this machine: {why}") from error
    words = (done.stdout or done.stderr).decode(errors="replace").strip()
    found = re.search(VERSION_PATTERN, words, re.ASCII)
    return found[0] if found else words[:80] or "of unknown version"


def require_version_6(binary: Path) -> None:
    """Refuse a binary that would ignore our config.

    Raises:
        ServerFailed: it reports another major version, or none.
    """
    found = reported_version(binary)
    if not re.match(VERSION_PATTERN, found, re.ASCII):
        raise ServerFailed(f"{binary} is not Centrifugo: it reports no version but {found!r}")
    if found.split(".")[0] not in ("6", "0"):
        raise ServerFailed(f"{binary} is Centrifugo {found}, and 6 is needed: run `manage.py installws --force`")
