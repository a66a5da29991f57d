"""Collects the Python paths that the documentation named before the modules moved, as `documented_paths.json`.

Run `python -m tests.structure.documented_paths [--seeds DIRECTORY] > tests/structure/documented_paths.json` in a
checkout with its history. It reads README.md and docs/*.md at `COMMIT`, and the descriptions of the older systems if a
directory is given. It collects imports of `instant`, attributes of what was imported, dotted names, and the names that
docs/from-df-websockets.md maps to ours. It imports each of them from the package of `COMMIT`, so that the list holds
only paths that worked there.

Names of the JavaScript object `instant`, files and check ids are left out. Everything else that is left out is in
`EXCLUDED`, with the reason.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("documented_paths.json")
#: The last commit before the modules moved.
COMMIT = "8ff51c4"

#: Names that documents mention and that are no paths to keep, by the reason.
EXCLUDED = {
    "instant.init.ensure_channel_is_private": "docs/upgrading.md says: instant.channels.private_name took its place",
    "instant.init.generate_settings_from_conf": "docs/upgrading.md says that it is gone",
}
OTHER = "a name in JavaScript or in an example"
#: Paths of the design that the documents need not name.
DESIGN = (
    "instant.publish",
    "instant.producers",
    "instant.models.Channel",
    "instant.views.instant_auth",
    "instant.utils.signed_response",
    "instant.access",
    "instant.html",
    "instant.events",
    "instant.windows",
    "instant.sockets",
    "instant.testing",
    "instant.exceptions",
    "instant.urls",
    "instant.middleware.InstantMiddleware",
)
#: The paths that settings of df_websockets hold, and ours that they stand for.
MAPPED = {
    "df_websockets.topics.serialize_topic": "instant.windows.topics.serialize_topic",
    "df_websockets.ws_middleware.WindowKeyMiddleware": "instant.windows.middlewares.WindowKeyMiddleware",
    "df_websockets.ws_middleware.DjangoAuthMiddleware": "instant.windows.middlewares.DjangoAuthMiddleware",
    "df_websockets.ws_middleware.Djangoi18nMiddleware": "instant.windows.middlewares.Djangoi18nMiddleware",
    "df_websockets.ws_middleware.BrowserMiddleware": "instant.windows.middlewares.BrowserMiddleware",
}

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Languages in which `instant.on(…)` is JavaScript.
_JAVASCRIPT = {"js", "javascript", "ts", "typescript", "html", "vue", "jsx", "tsx", "svelte"}
_IMPORT = re.compile(
    r"^[ \t>]*from (?P<module>instant[\w.]*) import (?P<names>\([^)]*\)|[^\n`#]+)"
    r"|^[ \t]*import (?P<whole>instant[\w.]*)",
    re.MULTILINE,
)
_INLINE_IMPORT = re.compile(r"`from (?P<module>instant[\w.]*) import (?P<names>[^\n`#]+)`")
_DOTTED = re.compile(r"(?<![\w./-])instant(?:\.[A-Za-z_]\w*)+")
_NOT_PYTHON = re.compile(r"\.(js|css|svg|html|go|ts|min)\b|\.[EWI]\d{3}\b|\.[EW]\b")
_ROW = re.compile(r"^\| (?P<old>[^|]*`df_websockets\.[^|]*) \| `(?P<module>instant\.[\w.]+)` \|$", re.MULTILINE)

#: Runs in a process of its own: splits each path into module and name, where it can be imported.
_RESOLVE = """
import importlib, json, operator, sys
import django
# An editable install would lend modules of its tree to another one.
sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "_EditableFinder"]
django.setup()
found = {}
for path in json.load(sys.stdin):
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        name = ".".join(parts[length:])
        try:
            name and operator.attrgetter(name)(module)
        except AttributeError:
            pass
        else:
            found[path] = [module.__name__, name]
        break
json.dump(found, sys.stdout)
"""


@dataclass(frozen=True)
class Document:
    """A document by its name, and its text."""

    name: str
    text: str


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


def documents(commit: str = COMMIT) -> list[Document]:
    """Return README.md and docs/*.md of a commit."""
    names = git("ls-tree", "--name-only", commit, "README.md", "docs/").decode().split()
    return [Document(name, git("show", f"{commit}:{name}").decode()) for name in names if name.endswith(".md")]


def seeds(directory: Path) -> list[Document]:
    """Return the descriptions of the older systems, each named by its number."""
    return [Document(f"seed {path.stem[:3]}", path.read_text()) for path in sorted(directory.glob("*.txt"))]


def paths_of(text: str) -> Iterator[str]:
    """Yield each path that a text seems to name; some are of JavaScript."""
    for match in [*_IMPORT.finditer(text), *_INLINE_IMPORT.finditer(text)]:
        found = match.groupdict()
        yield str(found["module"] or found["whole"])
        yield from (f"{found['module']}.{name}" for name in _names(found["names"] or ""))
    yield from _attributes(text)
    prose = _FENCE.sub(lambda match: "" if match[1] in _JAVASCRIPT else match[2], text)
    yield from (match[0] for match in _DOTTED.finditer(prose) if not _NOT_PYTHON.search(match[0]))
    for row in _ROW.finditer(text):
        yield from (f"{row['module']}.{path.rpartition('.')[2]}" for path in _old_names(row["old"]))


def _names(imported: str) -> list[str]:
    return [name.split(" as ")[0].strip() for name in imported.strip("() \n").split(",") if name.strip()]


def _old_names(cell: str) -> list[str]:
    """Return the names in a cell such as "`df_websockets.tasks`: `trigger`, `SERVER`", or "`df_websockets.utils.X`"."""
    names = re.findall(r"`([\w.]+)`", cell)
    return names[1:] if "`:" in cell else names


def _attributes(text: str) -> Iterator[str]:
    """Yield `instant.events.muted` for `from instant import events` and, anywhere in the code, `events.muted()`."""
    homes = {
        name: f"{module}.{name}"
        for match in _IMPORT.finditer(text)
        for module, names in [(match["module"], _names(match["names"] or ""))]
        for name in names
    }
    code = [match[2] for match in _FENCE.finditer(text) if match[1] not in _JAVASCRIPT]
    code += re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for name, home in homes.items():
        for attribute in re.findall(rf"(?<![\w.]){name}\.([A-Za-z_]\w*)", "\n".join(code)):
            yield f"{home}.{attribute}"


def resolve(paths: Iterable[str], commit: str = COMMIT) -> dict[str, list[str]]:
    """Return module and name of each path that the package of a commit has."""
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "instant", "tests"))) as archive:
            archive.extractall(directory)
        done = subprocess.run(
            [sys.executable, "-c", _RESOLVE],
            input=json.dumps(sorted(paths)),
            env={**os.environ, "PYTHONPATH": directory, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            cwd=directory,
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def collect(texts: Iterable[Document]) -> dict[str, list[str]]:
    """Return each path with the documents that name it."""
    sources: dict[str, set[str]] = {}
    for document in texts:
        for path in paths_of(document.text):
            sources.setdefault(path, set()).add(document.name)
    for path in DESIGN:
        sources.setdefault(path, set()).add("design")
    for path in MAPPED.values():
        sources.setdefault(path, set()).add("settings of df_websockets")
    return {path: sorted(names) for path, names in sorted(sources.items()) if path != "instant"}


def main() -> None:
    """Write the paths to the standard output, and those that were left out to the standard error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=Path, help="the directory with the descriptions of the older systems")
    options = parser.parse_args()
    sources = collect([*documents(), *(seeds(options.seeds) if options.seeds else [])])
    found = resolve(sources)
    paths = [
        {"module": module, "name": name, "sources": sources[path]} for path, (module, name) in sorted(found.items())
    ]
    left_out = {
        path: EXCLUDED.get(path, "a name in JavaScript or in an example") for path in sources if path not in found
    }
    json.dump({"commit": COMMIT, "paths": paths, "mapped": MAPPED, "left_out": left_out}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
