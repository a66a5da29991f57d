"""Functions and classes of a project: their location, their signature, and the meaning of their results."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from asgiref.sync import async_to_sync


def dotted_name(found: type) -> str:
    """Return the dotted name of a class."""
    return f"{found.__module__}.{found.__qualname__}"


def place_of(function: Callable[..., Any]) -> str:
    """Return the dotted name of a function, for searching, and its file and line, for opening."""
    inner: Any = inspect.unwrap(function)
    name = f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    code = getattr(inner, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def awaited(answer: Any) -> Any:
    """Return the result of a function. A coroutine or another awaitable is awaited."""
    return async_to_sync(_wait_for)(answer) if inspect.isawaitable(answer) else answer


def is_true(answer: object) -> bool:
    """Report whether the result of a rule, a permission or a guard allows access. A falsy result denies it.

    Raises:
        TypeError: the result is always true: a function, a manager, an iterator or a coroutine. Usually a call or an
            `await` is missing. Errors of the result's own `__bool__` propagate.
    """
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError("The result is a coroutine, which is always true. Await it.")
    if callable(answer) or isinstance(answer, Iterator | AsyncIterator):
        raise TypeError(f"The result is {answer!r:.200}, which is always true. Return True or False.")
    return bool(answer)


def can_take(function: Callable[..., Any], count: int) -> bool:
    """Report whether a function can be called with `count` positional arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a C function without a signature
        return True
    return True


async def _wait_for(answer: Awaitable[Any]) -> Any:
    return await answer
