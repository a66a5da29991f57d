"""A function's arguments: found by name, converted by annotation; what does not fit is refused with the reason."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, ForwardRef

from ..exceptions import Deny, InvalidSignal
from .converters import Convert, Misfit, converter

logger = logging.getLogger("instant")


class Parameters:
    """What a function takes besides the window's info.

    Raises:
        InvalidSignal: it cannot be called by name, or an annotation cannot be read.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self.converts: dict[str, Convert] = {}
        self.required: set[str] = set()
        #: Of `**kwargs`; None where there are none.
        self.rest: Convert | None = None
        #: Those whose default is None, which may be given, too.
        self.nullable: set[str] = set()
        first, *others = self._signature(function)
        self.first = first.name if first.kind is not first.VAR_POSITIONAL else ""
        for parameter in others:
            self._add(parameter, _globals(function))

    def _signature(self, function: Callable[..., Any]) -> list[inspect.Parameter]:
        try:
            found = list(_signature(function).parameters.values())
        except (TypeError, ValueError, NameError) as error:
            raise InvalidSignal(f"the signal {self._name}: its signature cannot be read: {error}") from error
        if not found or found[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
            raise InvalidSignal(f"the signal {self._name}: its function takes the window_info first")
        return found

    def _add(self, parameter: inspect.Parameter, names: dict[str, Any]) -> None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InvalidSignal(f"the signal {self._name}: {parameter.name!r} cannot be given by name")
        try:
            convert = converter(_evaluated(parameter.annotation, names))
        except Exception as error:  # an annotation may be any expression
            raise InvalidSignal(
                f"the signal {self._name}: the annotation of {parameter.name!r} cannot be read where the function is "
                f"used: {error}"
            ) from error
        if parameter.kind is parameter.VAR_KEYWORD:
            self.rest = convert
            return
        self.converts[parameter.name] = convert
        if parameter.default is parameter.empty:
            self.required.add(parameter.name)
        elif parameter.default is None:
            self.nullable.add(parameter.name)

    def bind(self, opts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with which the function is called.

        Raises:
            Deny: (400) one is unknown, missing, or not of its type.
        """
        bound: dict[str, Any] = {}
        for name, value in opts.items():
            convert = self.converts.get(name, self.rest)
            if convert is None or name == self.first:
                raise self._refused(name, "is unknown")
            if value is None and name in self.nullable:
                bound[name] = None
                continue
            try:
                bound[name] = convert(value)
            except Misfit as error:
                raise self._refused(name, str(error), error.__cause__) from error
        for name in sorted(self.required - bound.keys()):
            raise self._refused(name, "is missing")
        return bound

    def _refused(self, name: str, reason: str, cause: BaseException | None = None) -> Deny:
        """What a function of the project's raised may be a mistake in it: so the log tells it, without a traceback, as
        anybody can send what does not fit."""
        told = f" ({type(cause).__name__}: {str(cause)[:200]!r})" if cause is not None else ""
        logger.warning("the signal %s refused its argument %.50r: %.200s%s", self._name, name, reason, told)
        return Deny(400, f"the argument {name[:50]!r} {reason[:200]}")


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (3, 14):  # annotations are read when they are asked for, and may name what is for types only
        import annotationlib  # type: ignore[import-not-found,unused-ignore]

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def _globals(function: Any) -> dict[str, Any]:
    inner: Any = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)  # a partial
    if not hasattr(inner, "__globals__"):  # an object that can be called
        inner = type(inner).__call__
    return getattr(inner, "__globals__", {})


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    # The project's own source, written by who could run anything.
    return eval(annotation, names) if isinstance(annotation, str) else annotation  # noqa: S307
