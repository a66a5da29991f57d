"""Functions and classes of a project: where they are defined, and what they return where they are async."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
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


async def _wait_for(answer: Awaitable[Any]) -> Any:
    return await answer
