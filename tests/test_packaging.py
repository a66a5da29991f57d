"""What is installed: everything that runs needs, and nothing that only tests do."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from instant import __version__
from tests.snippets import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from what git knows, where neither Node nor Go is to be found."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, files):
        if (ROOT / name).is_file():
            copy = source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(out), "."]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/"}
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_the_wheel_holds_what_runs(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = ROOT / "instant"
    needed = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not {"__pycache__", "bin"} & set(path.parts)
    }
    assert needed <= names
    assert {name.split("/")[0] for name in names} == {"instant", f"django_instant-{__version__}.dist-info"}


def test_the_wheel_is_for_every_platform_and_typed(wheel: zipfile.ZipFile) -> None:
    assert Path(wheel.filename or "").name.endswith("-py3-none-any.whl")
    assert "instant/py.typed" in wheel.namelist()


def test_importing_starts_nothing() -> None:
    slow = "('django', 'cent', 'aiohttp', 'jwt', 'requests')"
    code = f"import sys, instant; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_django_starts_without_the_slow_imports() -> None:
    """cent alone costs 0.3 s; a site that only publishes never needs it."""
    code = (
        "import django, sys; django.setup(); from instant import publish; publish('x', 'y', fail_silently=True); "
        "print([name for name in ('cent', 'aiohttp', 'requests', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
