"""The committed scripts and protocol.ts are those that frontend/ makes, so that installing needs no Node."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from pathlib import Path

import pytest

import instant

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
STATIC = ROOT / "instant" / "static" / "instant"
SCRIPTS = ["instant.js", "index.min.js", "page.js"]


def source_hash() -> str:
    """As vite.config.ts: for each source in the order of their paths, its path and content, each ended by a newline."""
    sources = [path for path in (FRONTEND / "src").rglob("*") if path.is_file()]
    sources += [FRONTEND / "package-lock.json", FRONTEND / "vite.config.ts"]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(FRONTEND).as_posix(), path) for path in sources):
        digest.update(f"{name}\n".encode() + path.read_bytes().replace(b"\r\n", b"\n") + b"\n")
    return digest.hexdigest()


def banner(script: str) -> str:
    return (STATIC / script).read_text(encoding="utf-8")[:500]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_built_from_these_sources(script: str) -> None:
    found = re.search(r"source sha256 ([0-9a-f]{64})", banner(script))
    assert found is not None
    assert found[1] == source_hash(), "run `npm run build` in frontend/"


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_names_the_version_of_the_package(script: str) -> None:
    assert f"django-instant {instant.__version__} " in banner(script)


@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
def test_npm_package_has_the_version_of_the_package(name: str) -> None:
    assert json.loads((FRONTEND / name).read_text(encoding="utf-8"))["version"] == instant.__version__


def test_protocol_is_generated_from_the_python_module() -> None:
    generator = runpy.run_path(str(FRONTEND / "generate_protocol.py"))
    fresh = generator["render"]()
    assert generator["TARGET"].read_text(encoding="utf-8") == fresh, "run `python frontend/generate_protocol.py`"


def test_protocol_holds_every_constant() -> None:
    text = (FRONTEND / "src" / "core" / "protocol.ts").read_text(encoding="utf-8")
    names = re.findall(r"^export const (\w+) =", text, re.MULTILINE)
    assert names == [name for name in vars(instant.protocol) if name.isupper()]


def test_lock_file_names_no_registry() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_can_stand_in_a_page(script: str) -> None:
    text = (STATIC / script).read_text(encoding="utf-8")
    assert "</script" not in text.lower()
    assert "sourceMappingURL" not in text
