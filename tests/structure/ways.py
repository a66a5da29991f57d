"""Records which functions of the package are running when a given function is entered.

With it a test holds a documented way, such as that of a message from `publish()` to the server, against the code:

    stack_at("instant/backends/python.py:PythonBackend.send", lambda: publish("public", "hi"))

returns the files and functions from the outermost to the named one.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import instant

#: The directory of the package whose functions count.
PACKAGE = Path(instant.__file__).resolve().parent

Step = tuple[str, str]


class NotEntered(AssertionError):
    """The function was not entered, or there is no such function."""


def stack_at(last: str, run: Callable[[], object], package: Path = PACKAGE) -> list[Step]:
    """Call `run` and return the stack when `last` is first entered: each file and function once, outermost first.

    `last` is written as "instant/backends/python.py:PythonBackend.send". Only functions in files of the package count;
    lambdas, comprehensions and code of modules do not. A thread that `run` starts has a stack of its own, which begins
    where the thread begins. A thread that was started before is not watched.

    Raises:
        NotEntered: `run` returned, and `last` was not entered.
    """
    file, _, name = last.partition(":")
    wanted = (file, name)
    if name not in _names(str(package.parent / file)).values():
        raise NotEntered(f"{file} has no function {name}")
    recorder = _Recorder(wanted, package)
    with recorder:
        run()
    if recorder.stack is None:
        raise NotEntered(f"{last} was not entered; these functions were: {', '.join(recorder.entered) or 'none'}")
    return recorder.stack


class _Recorder:
    """Watches function calls in this thread and in those it starts."""

    def __init__(self, wanted: Step, package: Path) -> None:
        self.wanted, self.package = wanted, package
        self.stack: list[Step] | None = None
        self.entered: dict[str, None] = {}

    def __enter__(self) -> None:
        self._before = sys.getprofile()
        threading.setprofile(self._watch)
        sys.setprofile(self._watch)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        threading.setprofile(self._before)

    def _watch(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or self.stack is not None:
            return
        step = _step(frame.f_code, self.package)
        if step == self.wanted:
            steps = [_step(one.f_code, self.package) for one in _outwards(frame)]
            self.stack = list(dict.fromkeys(one for one in reversed(steps) if one))
        elif step:
            self.entered.setdefault(":".join(step))


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


@cache
def _step(code: CodeType, package: Path) -> Step | None:
    """Return the file and the qualified name of a function of the package, and None for everything else."""
    if code.co_name.startswith("<") or not code.co_filename.endswith(".py"):
        return None
    path = Path(code.co_filename).resolve()
    if package not in path.parents:
        return None
    return path.relative_to(package.parent).as_posix(), qualified_name(code)


def qualified_name(code: CodeType) -> str:
    """Return the qualified name of a function's code. Python 3.10 does not know it: it is looked up in the source."""
    known: str | None = getattr(code, "co_qualname", None)
    return known or _names(code.co_filename).get((code.co_firstlineno, code.co_name), code.co_name)


@cache
def _names(file: str) -> dict[tuple[int, str], str]:
    """Return the qualified name of each function in a file, by its first line, decorators included, and its name."""
    path = Path(file)
    return dict(_functions(ast.parse(path.read_text(encoding="utf-8")), "")) if path.is_file() else {}


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[tuple[int, str], str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            yield (first, child.name), f"{prefix}{child.name}"
            yield from _functions(child, f"{prefix}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)
