"""Counts files, lines, functions, docstrings, circles and floors of a tree, and prints them as a table.

Run `python -m tests.structure.figures [--root DIRECTORY]`. The tree is only read, never imported, so that the same
program counts every commit.

- Lines of code are lines without blank lines, comments and docstrings.
- File lengths are lines as an editor shows them; files without code are left out of the median.
- Function lengths are lines of code from `def` on, with inner functions, without decorators.
- Public are functions, methods and classes without an underscore in front of their name or of their class's name;
  functions inside functions are not public.
- Comments are lines with a comment that is no instruction to a tool, per line of code.
- Tests are the lines of code of tests/ without the benchmarks and the demo.
- Circles count imports of every kind; floors count imports at the top of modules (see `imports`).
"""

from __future__ import annotations

import argparse
import ast
import io
import math
import re
import statistics
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.structure import imports

ROOT = Path(__file__).parents[2]
#: Below tests/, but no tests.
NOT_TESTS = ("benchmarks", "demo")
_QUIET = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_TOOL = re.compile(r"#\s*(noqa|type:|pragma|ruff:|mypy:|fmt:|!)")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A Python file: its tree, its lines, and which of them hold code and comments."""

    name: str
    tree: ast.Module
    lines: int
    code: frozenset[int]
    comments: int

    @classmethod
    def read(cls, path: Path, name: str) -> Module:
        """Read a file."""
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, str(path))
        code: set[int] = set()
        comments: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and not _TOOL.match(token.string):
                comments.add(token.start[0])
            elif token.type not in _QUIET:
                code.update(range(token.start[0], token.end[0] + 1))
        return cls(name, tree, text.count("\n"), frozenset(code - _docstring_lines(tree)), len(comments))

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield each function with its qualified name."""
        for name, node in definitions(self.tree):
            if isinstance(node, Function):
                yield f"{self.name}.{name}", node

    def length(self, function: Function) -> int:
        """Return the lines of code of a function."""
        return len(self.code & set(range(function.lineno, (function.end_lineno or function.lineno) + 1)))


def definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield each function and class below a node, with its qualified name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield f"{prefix}{child.name}", child
            inner = "." if isinstance(child, ast.ClassDef) else ".<locals>."
            yield from definitions(child, f"{prefix}{child.name}{inner}")
        else:
            yield from definitions(child, prefix)


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in [tree, *(node for _, node in definitions(tree))]:
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            lines |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def is_public(name: str, node: Definition) -> bool:
    """Return whether others may use this name. A variant of `typing.overload` is part of its function."""
    overloaded = any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
    return not overloaded and not any(part.startswith(("_", "<")) for part in name.split("."))


def python_modules(root: Path) -> list[Module]:
    """Read the package `instant` of a tree."""
    return [Module.read(path, name) for name, path in imports.python_files(root).items()]


def code_of_tests(root: Path) -> int:
    """Return the lines of code of the tests."""
    tests = root / "tests"
    paths = [path for path in sorted(tests.rglob("*.py")) if path.relative_to(tests).parts[0] not in NOT_TESTS]
    return sum(len(Module.read(path, path.stem).code) for path in paths)


def percentile(values: Iterable[int], share: float) -> int:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"


def python_figures(root: Path) -> list[tuple[str, str]]:
    """Return the figures of the Python package."""
    modules = python_modules(root)
    code = sum(len(module.code) for module in modules)
    sizes = {module.name: module.lines for module in modules if module.code}
    largest = max(sizes, key=lambda name: sizes[name])
    return [
        ("files", str(len(modules))),
        ("lines of code", str(code)),
        ("file lines, median", f"{statistics.median(sizes.values()):.0f}"),
        ("file lines, largest", f"{sizes[largest]} ({largest})"),
        *_function_figures(modules),
        ("public names with a docstring", _docstring_share(modules)),
        ("comments per line of code", _share(sum(module.comments for module in modules), code)),
        *_graph_figures("Python", root),
        ("test code ÷ code", f"{code_of_tests(root) / code:.2f}"),
    ]


def _function_figures(modules: list[Module]) -> Iterator[tuple[str, str]]:
    lengths = {name: module.length(node) for module in modules for name, node in module.functions()}
    typed = [node.returns is not None for module in modules for _, node in module.functions()]
    longest = max(lengths, key=lambda name: lengths[name])
    yield "functions", str(len(typed))
    yield "function lines, median", f"{statistics.median(lengths.values()):.0f}"
    yield "function lines, 90th percentile", str(percentile(lengths.values(), 0.9))
    yield "function lines, largest", f"{lengths[longest]} ({longest})"
    yield "functions with a typed return", _share(sum(typed), len(typed))


def _docstring_share(modules: list[Module]) -> str:
    public = [node for module in modules for name, node in definitions(module.tree) if is_public(name, node)]
    documented = sum(ast.get_docstring(node) is not None for node in public)
    return f"{_share(documented, len(public))} ({len(public) - documented} of {len(public)} have none)"


def _graph_figures(language: str, root: Path) -> Iterator[tuple[str, str]]:
    graph = imports.GRAPHS[language](root)
    yield "circles", str(len(graph.circles()))
    yield "floors", str(len(graph.only(imports.TOP).floors()))
    yield "floors, imports of every kind", str(len(graph.floors()))


def typescript_figures(root: Path) -> list[tuple[str, str]]:
    """Return the figures of the TypeScript client."""
    texts = [path.read_text(encoding="utf-8") for path in imports.typescript_files(root).values()]
    lines = sum(text.count("\n") for text in texts)
    return [("files", str(len(texts))), ("lines", str(lines)), *_graph_figures("TypeScript", root)]


def report(root: Path) -> str:
    """Return the tables of both languages, the longest chains and the circles."""
    parts: list[str] = []
    for language, figures in (("Python", python_figures(root)), ("TypeScript", typescript_figures(root))):
        width = max(len(name) for name, _ in figures)
        parts += [language, *(f"  {name:<{width}}  {figure}" for name, figure in figures)]
        parts += ["  the longest chain:", *(f"    {module}" for module in imports.floors(language, root))]
        parts += [f"  circle: {circle}".replace("\n", "\n  ") for circle in imports.circles(language, root)]
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Print the figures of a tree."""
    parser = argparse.ArgumentParser(description="Count files, lines, functions, circles and floors of a tree.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to count (default: this one)")
    sys.stdout.write(report(parser.parse_args().root))


if __name__ == "__main__":
    main()
