"""The structure of the package and of the client: no circles, few floors, short modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure import imports
from tests.structure.figures import python_modules
from tests.structure.imports import ALL, RUNTIME, TOP, Graph, Import, python_graph, typescript_graph

ROOT = Path(__file__).parents[2]
MOST_FLOORS = 14
MOST_LINES = 300


@pytest.mark.parametrize("language", ["Python", "TypeScript"])
def test_no_modules_import_each_other(language: str) -> None:
    found = imports.circles(language)
    text = "\n".join(map(str, found))
    assert not found, f"{len(found)} circles of {language} modules, imports for types included:\n{text}"


def test_the_chain_of_imports_is_short() -> None:
    graph = python_graph()
    chain, runtime, every = graph.only(TOP).floors(), graph.only(RUNTIME).floors(), graph.floors()
    assert len(chain) <= MOST_FLOORS, (
        f"{len(chain)} floors of Python modules, at most {MOST_FLOORS} ({len(runtime)} with imports inside functions, "
        f"{len(every)} with imports for types too). The longest chain:\n" + "\n".join(chain)
    )


def test_modules_are_short() -> None:
    sizes = {module.name: module.lines for module in python_modules(ROOT) if ".migrations." not in module.name}
    long = {name: lines for name, lines in sizes.items() if lines > MOST_LINES}
    assert not long, f"{len(long)} modules have more than {MOST_LINES} lines: {long}"


# The instrument itself.


def test_python_imports_of_every_kind_are_read(tmp_path: Path) -> None:
    _write(tmp_path / "instant", {
        "__init__.py": "",
        "a.py": "from . import b, pack\nfrom .pack import name\n",
        "b.py": "def f():\n    from .pack.inner import g\n",
        "pack/__init__.py": "from .inner import name\n",
        "pack/inner.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .. import b, missing\n",
    })  # fmt: skip
    assert python_graph(tmp_path).imports == (
        Import("instant.a", "instant.b", 1, "module"),
        Import("instant.a", "instant.pack", 1, "module"),
        Import("instant.a", "instant.pack", 2, "module"),
        Import("instant.b", "instant.pack.inner", 2, "function"),
        Import("instant.pack", "instant.pack.inner", 1, "module"),
        Import("instant.pack.inner", "instant", 3, "types"),
        Import("instant.pack.inner", "instant.b", 3, "types"),
    )


def test_typescript_imports_of_every_kind_are_read(tmp_path: Path) -> None:
    _write(tmp_path / "frontend" / "src", {
        "a.ts": 'import {\n  type X,\n  y,\n} from "./sub/index.js";\nimport type { Z } from "./b.js";\n',
        "b.ts": 'export type { X } from "./sub/c.js";\nexport * from "./a.js";\n// import "./sub/c.js"\n',
        "sub/index.ts": 'import "../b.js";\nimport { Centrifuge } from "centrifuge";\n',
        "sub/c.ts": 'const later = () => import("../a.js");\nimport { type X } from "./index.js";\n',
    })  # fmt: skip
    assert typescript_graph(tmp_path).imports == (
        Import("a", "b", 5, "types"),
        Import("a", "sub/index", 1, "module"),
        Import("b", "a", 2, "module"),
        Import("b", "sub/c", 1, "types"),
        Import("sub/c", "a", 1, "function"),
        Import("sub/c", "sub/index", 2, "types"),
        Import("sub/index", "b", 1, "module"),
    )


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _graph(*edges: str) -> Graph:
    ties = tuple(Import(edge[0], edge[1], 1, "types" if edge.endswith("?") else "module") for edge in edges)
    return Graph(frozenset(name for edge in edges for name in edge[:2]), ties)


def test_circles_are_found_with_the_imports_that_tie_them() -> None:
    graph = _graph("ab", "bc", "ca?", "cd", "de", "ed")
    assert [circle.modules for circle in graph.circles()] == [("a", "b", "c"), ("d", "e")]
    assert [str(tie) for tie in graph.circles()[1].imports] == ["d:1 imports e (module)", "e:1 imports d (module)"]
    assert [circle.modules for circle in graph.only(TOP).circles()] == [("d", "e")]


def test_floors_are_the_longest_chain_and_a_circle_is_one_floor() -> None:
    assert _graph("ab", "bc", "ac", "ad").floors() == ["a", "b", "c"]
    assert _graph("ab", "bc", "cb", "cd").only(ALL).floors() == ["a", "b + c", "d"]
    assert _graph().floors() == []
