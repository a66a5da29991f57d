"""Builds the Go publisher into the package where there is Go, and gives the wheel the platform's tag then.

All that is declared stands in setup.cfg. Without Go, with a Go that is too old, or with INSTANT_NO_GO=1, the wheel is
for every platform, and the other backends are there.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError

ROOT = Path(__file__).resolve().parent
SOURCE = Path("instant", "go")
BINARY = SOURCE / "bin" / "publisher"
#: Where Go neither downloads anything nor makes a binary that needs libraries of this machine.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off"}


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - go, and no shell
        command, cwd=ROOT / SOURCE, env=environment, capture_output=True, text=True, check=False
    )


@lru_cache
def find_go() -> str | None:
    """Return the path of a Go that can build the publisher, if it is wanted, and can run here: it needs Unix."""
    unwanted = os.name == "nt" or os.environ.get("INSTANT_NO_GO") == "1"
    go = None if unwanted else shutil.which("go")
    if go is None:
        return None
    done = _run([go, "env", "GOVERSION"], {**os.environ, **ENVIRONMENT})
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    needed = re.search(r"^go (\d+)\.(\d+)", (ROOT / SOURCE / "go.mod").read_text(), re.MULTILINE)
    if found and needed and tuple(map(int, found.groups())) >= tuple(map(int, needed.groups())):
        return go
    logging.warning("%s is too old for the publisher, which is left out: %s", go, (done.stdout or done.stderr).strip())
    return None


def build_publisher(go: str, target: Path, cache: Path) -> None:
    environment = {**os.environ, **ENVIRONMENT}
    if not any(name in environment for name in ("GOCACHE", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA")):
        environment["GOCACHE"] = str(cache.resolve())
    command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target.resolve()), "."]
    done = _run(command, environment)
    if done.returncode != 0:
        raise ExecError(f"building the Go publisher failed (INSTANT_NO_GO=1 leaves it out):\n{done.stderr}")


class BuildWithGo(build_py):
    """Puts the binary where the package goes: into the wheel, or into the checkout of an editable install."""

    def run(self) -> None:
        super().run()
        # A binary that lies in the checkout is of an older build, or of another machine.
        copied = Path(self.build_lib) / BINARY
        if not self.editable_mode:
            shutil.rmtree(copied.parent, ignore_errors=True)
        go = find_go()
        if go is not None:
            target = ROOT / BINARY if self.editable_mode else copied
            build_publisher(go, target, Path(self.build_lib) / ".." / "go-cache")

    def get_source_files(self) -> list[str]:
        return [name for name in super().get_source_files() if not name.startswith(str(BINARY.parent))]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        binary = str(Path(self.build_lib) / BINARY)
        return [name for name in outputs if name != binary] + [binary] * (find_go() is not None)


class WheelWithGo(bdist_wheel):
    """The binary is of one platform, but of no version of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        _, _, platform = super().get_tag()
        return "py3", "none", platform


class DistributionWithGo(Distribution):
    """Has something of one platform in it, when there is Go."""

    def has_ext_modules(self) -> bool:
        return find_go() is not None


def options() -> dict[str, Any]:
    commands = {"build_py": BuildWithGo, "bdist_wheel": WheelWithGo}
    return {"cmdclass": commands, "distclass": DistributionWithGo}


setup(**options())
