"""The import graphs of the Python package `instant` and of the TypeScript client, read from the source.

Every import counts: at the top of a module, inside a function, and for types only. `from . import x` is an import of
the module `x` where there is such a module, else of the package's `__init__`. An import from a package, such as
`from .windows import signal`, is an import of that package's `__init__`, whatever `__init__` takes it from. That Python
also runs the `__init__` of each parent does not count.

`floors()` is the longest chain of modules in which each imports the next, counted in modules. The modules of a circle
have no order: a circle is one floor, written as its names joined by " + ".

Which imports count decides the figures. At commit 8ff51c4, before the modules moved, they are:

    which imports count                      Python               TypeScript
    at the top of modules (`TOP`)            15 floors, 0 circles   8 floors, 0 circles
    and inside functions (`RUNTIME`)         17 floors, 1 circle    8 floors, 0 circles
    and for types only (`ALL`)               17 floors, 6 circles  10 floors, 1 circle

So the goal "at most 14 floors, down from 15" counts imports at the top of modules. The goal "no circles, down from 7"
counts imports of every kind, in both languages.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "instant"
#: The kinds of imports: at the top of a module, inside a function, for types only.
MODULE, FUNCTION, TYPES = "module", "function", "types"
ALL = frozenset({MODULE, FUNCTION, TYPES})
#: The imports that run when the program runs.
RUNTIME = frozenset({MODULE, FUNCTION})
#: The imports that run when a module is imported: the goal for the number of floors counts these.
TOP = frozenset({MODULE})


@dataclass(frozen=True, order=True)
class Import:
    """One import statement: who imports what, on which line, and of which kind."""

    importer: str
    imported: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported} ({self.kind})"


@dataclass(frozen=True)
class Circle:
    """Modules that import each other, directly or through others, and the imports among them."""

    modules: tuple[str, ...]
    imports: tuple[Import, ...]

    def __str__(self) -> str:
        return "\n  ".join([" + ".join(self.modules), *map(str, self.imports)])


@dataclass(frozen=True)
class Graph:
    """The modules of one language and the imports among them."""

    modules: frozenset[str]
    imports: tuple[Import, ...]

    def only(self, kinds: Iterable[str]) -> Graph:
        """Return the graph of the imports of these kinds."""
        wanted = frozenset(kinds)
        return Graph(self.modules, tuple(one for one in self.imports if one.kind in wanted))

    def circles(self) -> list[Circle]:
        """Return the circles of two or more modules, ordered by name."""
        found = []
        for component in self._components:
            if len(component) > 1:
                ties = tuple(one for one in self.imports if one.importer in component and one.imported in component)
                found.append(Circle(tuple(sorted(component)), ties))
        return sorted(found, key=lambda circle: circle.modules)

    def floors(self) -> list[str]:
        """Return the longest chain, from the module at the top to the one at the bottom; its length is the floors."""
        home = {module: index for index, component in enumerate(self._components) for module in component}
        longest: list[list[int]] = []
        # A component comes behind all that it imports, so the chains below are known.
        for index, component in enumerate(self._components):
            below = {home[imported] for module in component for imported in self._edges[module]} - {index}
            chains = sorted((longest[other] for other in below), key=lambda chain: (-len(chain), self._named(chain)))
            longest.append([index, *(chains[0] if chains else [])])
        best = min(longest, key=lambda chain: (-len(chain), self._named(chain)), default=[])
        return self._named(best)

    def _named(self, chain: list[int]) -> list[str]:
        return [" + ".join(sorted(self._components[index])) for index in chain]

    @cached_property
    def _edges(self) -> dict[str, list[str]]:
        edges: dict[str, set[str]] = {module: set() for module in self.modules}
        for one in self.imports:
            edges[one.importer].add(one.imported)
        return {module: sorted(imported) for module, imported in edges.items()}

    @cached_property
    def _components(self) -> list[frozenset[str]]:
        return list(_components(self._edges))


def _components(edges: dict[str, list[str]]) -> Iterator[frozenset[str]]:
    """Yield the strongly connected components, each behind those it imports (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[frozenset[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in edges[module]:
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            start = stack.index(module)
            found.append(frozenset(stack[start:]))
            del stack[start:]

    for module in sorted(edges):
        if module not in index:
            visit(module)
    yield from found


def python_files(root: Path = ROOT) -> dict[str, Path]:
    """Return the file of each module of the package, by its dotted name."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def python_graph(root: Path = ROOT) -> Graph:
    """Return the import graph of the package `instant`."""
    files = python_files(root)
    imports: set[Import] = set()
    for module, path in files.items():
        reader = _Reader(module, path.name == "__init__.py", files.keys())
        reader.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        imports |= reader.found
    return Graph(frozenset(files), tuple(sorted(imports)))


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, module: str, is_package: bool, modules: Iterable[str]) -> None:
        self.module, self.modules = module, frozenset(modules)
        self.package = module if is_package else module.rpartition(".")[0]
        self.kind = MODULE
        self.found: set[Import] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._inside_function(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
            return
        before, self.kind = self.kind, TYPES
        for statement in node.body:
            self.visit(statement)
        self.kind = before
        for statement in node.orelse:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._absolute(node.module, node.level)
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            self._add(inner if inner in self.modules else base, node.lineno)

    def _inside_function(self, node: ast.AST) -> None:
        before = self.kind
        self.kind = before if before == TYPES else FUNCTION
        self.generic_visit(node)
        self.kind = before

    def _absolute(self, module: str | None, level: int) -> str:
        if not level:
            return module or ""
        parts = self.package.split(".")
        parts = parts[: len(parts) - level + 1]
        return ".".join([*parts, module] if module else parts)

    def _add(self, name: str, line: int) -> None:
        if name in self.modules and name != self.module:
            self.found.add(Import(self.module, name, line, self.kind))


_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)
_STATEMENT = re.compile(
    r"^[ \t]*(?:import|export)\b(?P<what>[^;\"'`()=]*?)\bfrom\s*[\"'](?P<where>[^\"']+)[\"']"
    r"|^[ \t]*import\s*[\"'](?P<effect>[^\"']+)[\"']"
    r"|\bimport\(\s*[\"'](?P<dynamic>[^\"']+)[\"']\s*\)",
    re.MULTILINE,
)


def typescript_files(root: Path = ROOT) -> dict[str, Path]:
    """Return the TypeScript files of the client, by their paths below `frontend/src` without the ending."""
    source = root / "frontend" / "src"
    return {path.relative_to(source).with_suffix("").as_posix(): path for path in sorted(source.rglob("*.ts"))}


def typescript_graph(root: Path = ROOT) -> Graph:
    """Return the import graph of `frontend/src`. An import of types alone is of the kind "types"."""
    files = typescript_files(root)
    imports = {one for name, path in files.items() for one in _typescript_imports(name, path, files.keys())}
    return Graph(frozenset(files), tuple(sorted(imports)))


def _typescript_imports(name: str, path: Path, modules: Iterable[str]) -> Iterator[Import]:
    text = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), path.read_text(encoding="utf-8"))
    for match in _STATEMENT.finditer(text):
        where = match["where"] or match["effect"] or match["dynamic"]
        imported = _typescript_target(name, where, modules)
        if imported and imported != name:
            line = text.count("\n", 0, match.start()) + 1
            yield Import(name, imported, line, _typescript_kind(match))


def _typescript_target(importer: str, where: str, modules: Iterable[str]) -> str | None:
    if not where.startswith("."):
        return None
    parts = importer.split("/")[:-1]
    for part in re.sub(r"\.(js|ts)$", "", where).split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    target = "/".join(parts)
    known = set(modules)
    return next((one for one in (target, f"{target}/index".lstrip("/")) if one in known), None)


def _typescript_kind(match: re.Match[str]) -> str:
    if match["dynamic"]:
        return FUNCTION
    what = (match["what"] or "").strip()
    if what.startswith(("type ", "type{")):
        return TYPES
    braces = re.fullmatch(r"\{(.*)\}", what, re.DOTALL)
    names = [name.strip() for name in braces[1].split(",") if name.strip()] if braces else []
    return TYPES if names and all(name.startswith("type ") for name in names) else MODULE


GRAPHS: dict[str, Callable[[Path], Graph]] = {"Python": python_graph, "TypeScript": typescript_graph}


def circles(language: str = "Python", root: Path = ROOT) -> list[Circle]:
    """Return the circles of one language. Imports of every kind count."""
    return GRAPHS[language](root).circles()


def floors(language: str = "Python", root: Path = ROOT, kinds: Iterable[str] = TOP) -> list[str]:
    """Return the longest chain of modules in one language; its length is the number of floors."""
    return GRAPHS[language](root).only(kinds).floors()
