"""What other packages need: a venv each, kept in `.venv-bench/`, as their requirements are at odds with ours.

niquests, for one, overwrites the urllib3 package of the venv it is in.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".venv-bench"
CEILING = Path(__file__).parent / "ceiling"

REQUIREMENTS = {
    "existing": ("django-instant==4.2.0", "cent<5", "Django>=5.2,<6"),
    "channels-redis": ("channels>=4", "channels_redis>=4.3", "Django>=5.2,<6"),
    "channels": ("channels[daphne]>=4", "channels_redis>=4.3", "redis<6", "Django>=5.2,<6"),
    "eventstream": ("django-eventstream>=5.3", "redis>=5", "Django>=5.2,<6"),
}


class Missing(Exception):
    """A path cannot be run here; the text says why."""


def python_of(name: str) -> Path:
    """Return the interpreter of a peer's venv, which is made on first use.

    Raises:
        Missing: it cannot be made, for want of a network, say.
    """
    home = _home() / name
    python = home / "bin" / "python"
    done = home / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS[name])
    if done.exists() and done.read_text() == wanted and python.exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    try:
        _run(sys.executable, "-m", "venv", home)
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS[name])
    except Missing:
        shutil.rmtree(home, ignore_errors=True)
        raise
    done.write_text(wanted)
    return python


def ceiling() -> Path:
    """Return the program of `ceiling/`, built.

    Raises:
        Missing: there is no Go, or it does not build.
    """
    if shutil.which("go") is None:
        raise Missing("there is no Go on PATH")
    binary = _home() / "ceiling"
    _run("go", "build", "-o", binary, ".", cwd=CEILING)
    return binary


def _home() -> Path:
    HOME.mkdir(exist_ok=True)
    (HOME / ".gitignore").write_text("*\n")
    return HOME


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise Missing(f"{Path(command[0]).name}: {lines[-1]}")
