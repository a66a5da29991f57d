"""Functions and classes of a project: where they are defined, what they take, and what their answers mean."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from asgiref.sync import async_to_sync


def dotted_name(found: type) -> str:
    """Return the dotted name of a class."""
    return f"{found.__module__}.{found.__qualname__}"


def place_of(function: Callable[..., Any]) -> str:
    """Return the dotted name of a function, to search for, and its file and line, to open."""
    inner: Any = inspect.unwrap(function)
    name = f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    code = getattr(inner, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def awaited(answer: Any) -> Any:
    """Return what a function returned; the result of a coroutine or another awaitable is waited for."""
    return async_to_sync(_wait_for)(answer) if inspect.isawaitable(answer) else answer


def is_true(answer: object) -> bool:
    """Report whether the answer of a rule, a permission or a guard allows: a falsy one denies.

    Raises:
        TypeError: the answer is true whatever it holds: a function, a manager, an iterator or a coroutine. Most often a
            call or an `await` is missing. Besides, whatever the answer's own `__bool__` raises.
    """
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError("the answer is a coroutine, which is always true: await it")
    if callable(answer) or isinstance(answer, Iterator | AsyncIterator):
        raise TypeError(f"the answer is {answer!r:.200}, which is always true: return True or False")
    return bool(answer)


def can_take(function: Callable[..., Any], count: int) -> bool:
    """Report whether a function can be called with so many positional arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a function of C without a signature
        return True
    return True


async def _wait_for(answer: Awaitable[Any]) -> Any:
    return await answer
