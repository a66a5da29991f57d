"""The Go publisher is built into the wheel where there is Go, and left out where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.snippets import ROOT

pytestmark = pytest.mark.slow

GO = ROOT / "instant" / "go"
BINARY = "instant/go/bin/publisher"
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go: not on PATH")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows, and a binary that somebody built for another machine."""
    source = tmp_path_factory.mktemp("checkout")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("frontend/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    (source / BINARY).parent.mkdir(exist_ok=True)
    (source / BINARY).write_text("of another machine")
    return source


def run(*command: str, cwd: Path, **environment: str) -> str:
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(checkout: Path, out: Path, **environment: str) -> zipfile.ZipFile:
    shutil.rmtree(checkout / "build", ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q")
    run(*pip, "-w", str(out), ".", cwd=checkout, **environment)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def tag(wheel: zipfile.ZipFile) -> str:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/WHEEL"))
    lines = wheel.read(name).decode().splitlines()
    (found,) = (line.partition(": ")[2] for line in lines if line.startswith("Tag"))
    assert (wheel.filename or "").endswith(f"-{found}.whl")
    return found


def sources() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in GO.rglob("*") if path.is_file() and GO / "bin" not in path.parents}


@needs_go
def test_with_go_the_wheel_has_the_publisher_and_is_for_this_platform(checkout: Path, tmp_path: Path) -> None:
    wheel = build(checkout, tmp_path, INSTANT_NO_GO="")
    assert tag(wheel).startswith("py3-none-")
    assert tag(wheel).endswith(PLATFORM)
    assert sources() <= set(wheel.namelist())
    assert wheel.getinfo(BINARY).external_attr >> 16 & 0o111
    target = Path(wheel.extract(BINARY, tmp_path))
    target.chmod(0o755)
    refused = subprocess.run([target], input="{}", capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "protocol" in refused.stderr
    content = target.read_bytes()
    assert str(checkout).encode() not in content
    assert str(ROOT).encode() not in content


@pytest.mark.parametrize("environment", [{"INSTANT_NO_GO": "1"}, {"PATH": "/usr/bin:/bin"}], ids=["unwanted", "absent"])
def test_without_go_the_wheel_is_for_every_platform(
    checkout: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    if shutil.which("go", path=environment.get("PATH", "")):
        pytest.skip("Go is in the system's own folder")
    wheel = build(checkout, tmp_path, **environment)
    assert tag(wheel) == "py3-none-any"
    assert sources() <= set(wheel.namelist())
    assert BINARY not in wheel.namelist()


def test_a_go_that_is_too_old_is_as_none(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "go"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho go1.19.8\n")
    old.chmod(0o755)
    wheel = build(checkout, tmp_path, PATH=f"{old.parent}:/usr/bin:/bin", INSTANT_NO_GO="")
    assert tag(wheel) == "py3-none-any"


@needs_go
def test_a_build_that_fails_says_how_to_do_without(checkout: Path, tmp_path: Path) -> None:
    broken = tmp_path / "checkout"
    shutil.copytree(checkout, broken)
    (broken / "instant" / "go" / "main.go").write_text("package nonsense\n")
    with pytest.raises(AssertionError, match="INSTANT_NO_GO=1"):
        build(broken, tmp_path / "out", INSTANT_NO_GO="")


@pytest.mark.parametrize("no_go", [pytest.param("", marks=needs_go), "1"], ids=["go", "no go"])
def test_editable_installs(checkout: Path, tmp_path: Path, no_go: str) -> None:
    source, site = tmp_path / "checkout", tmp_path / "site"
    shutil.copytree(checkout, source)
    shutil.rmtree((source / BINARY).parent)
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "-q")
    run(*pip, "--target", str(site), "-e", ".", cwd=source, INSTANT_NO_GO=no_go)
    assert (source / BINARY).exists() is (not no_go)
    found = f"import site; site.addsitedir({str(site)!r}); import instant; print(instant.__file__)"
    where = run(sys.executable, "-S", "-c", found, cwd=tmp_path, PYTHONPATH="")
    assert Path(where.strip()) == source / "instant" / "__init__.py"


def test_the_sdist_has_the_sources_and_no_binary(checkout: Path, tmp_path: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    run(sys.executable, "-c", code, cwd=checkout)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert sources() | {"setup.py", "MANIFEST.in"} <= names
    assert BINARY not in names


@needs_go
def test_go_vet() -> None:
    for system in ("linux", "darwin"):
        run("go", "vet", "./...", cwd=GO, GOOS=system, CGO_ENABLED="0")
    assert not run("gofmt", "-l", ".", cwd=GO)


@needs_go
@pytest.mark.slow
def test_the_tests_of_go() -> None:
    run("go", "test", "-count=1", "./...", cwd=GO)


def test_go_needs_no_module_and_says_so() -> None:
    assert "require" not in (GO / "go.mod").read_text()
    assert "# Dependencies" in (GO / "doc.go").read_text()
