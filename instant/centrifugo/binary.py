"""The server's binary: finds it and reads its version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from django.conf import settings

from ..conf.settings import conf
from ..exceptions import ServerFailed, ServerNotFound

#: Regular expression for a version such as 6.9.1 or 6.10.0-rc.1.
VERSION_PATTERN = r"\d+\.\d+\.\d+(?:[-+.][0-9A-Za-z.+-]+)?"


def install_dir() -> Path:
    """Return the directory of installws: `centrifugo` in BASE_DIR, or else in the current directory."""
    return Path(getattr(settings, "BASE_DIR", None) or Path.cwd()) / "centrifugo"


def find_binary() -> Path:
    """Return the path of the server's binary.

    CENTRIFUGO_BINARY comes first, then the folder of installws, then PATH.

    Raises:
        ServerNotFound: no binary was found, or CENTRIFUGO_BINARY is not an executable file.
    """
    if conf.CENTRIFUGO_BINARY:
        found = shutil.which(conf.CENTRIFUGO_BINARY)
        if found is None:
            raise ServerNotFound(
                f"CENTRIFUGO_BINARY is {conf.CENTRIFUGO_BINARY!r}, but there is no executable of that name."
            )
        return Path(found)
    name = "centrifugo.exe" if os.name == "nt" else "centrifugo"
    found = shutil.which(install_dir() / name) or shutil.which(name)
    if found is None:
        raise ServerNotFound(
            "Centrifugo is not installed. Run `manage.py installws`, or set CENTRIFUGO_BINARY to its path."
        )
    return Path(found)


def reported_version(binary: Path) -> str:
    """Return the version that the binary reports, such as "6.9.1".

    "0.0.0" is a development build. If the output contains no version, return its first 80 characters.

    Raises:
        ServerFailed: the binary cannot be run, exits with an error, or takes more than 15 seconds.
    """
    command = [str(binary.absolute()), "version"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ServerFailed(f"{binary} cannot be run as Centrifugo on this machine: {why}") from error
    words = (done.stdout or done.stderr).decode(errors="replace").strip()
    found = re.search(VERSION_PATTERN, words, re.ASCII)
    return found[0] if found else words[:80] or "of unknown version"


def require_version_6(binary: Path) -> None:
    """Raise an error if the binary is not Centrifugo 6. Other versions would ignore our config.

    Raises:
        ServerFailed: the binary cannot be run, or reports another major version, or no version.
    """
    found = reported_version(binary)
    if not re.match(VERSION_PATTERN, found, re.ASCII):
        raise ServerFailed(f"{binary} is not Centrifugo: it reports {found!r} instead of a version.")
    if found.split(".")[0] not in ("6", "0"):
        raise ServerFailed(
            f"{binary} is Centrifugo {found}, but version 6 is required: run `manage.py installws --force`."
        )
