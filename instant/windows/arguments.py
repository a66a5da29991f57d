"""Arguments of functions: passed by name, converted by annotation, and refused with a reason if they are wrong."""

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
    """The parameters of a function, without the window's info.

    Raises:
        InvalidSignal: the function cannot be called by name, or an annotation cannot be evaluated or is not supported.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self.converts: dict[str, Convert] = {}
        self.required: set[str] = set()
        #: The converter of `**kwargs`, or None without them.
        self.rest: Convert | None = None
        #: The parameters whose default is None. They also accept None as a value.
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
            raise InvalidSignal(f"the signal {self._name}: its function must accept window_info as its first argument")
        return found

    def _add(self, parameter: inspect.Parameter, names: dict[str, Any]) -> None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InvalidSignal(
                f"the signal {self._name}: the parameter {parameter.name!r} is positional-only, but arguments are "
                "passed by name"
            )
        try:
            convert = converter(_evaluated(parameter.annotation, names))
        except Exception as error:  # an annotation may be any expression
            raise InvalidSignal(
                f"the signal {self._name}: the annotation of {parameter.name!r} cannot be evaluated in the function's "
                f"module, or is not supported: {error}"
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
        """Return the converted arguments of a call.

        Raises:
            Deny: (400) an argument is unknown, missing, or of another type; or a function in an annotation raised it.
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
        """Log a wrong argument, and return the refusal.

        An exception of a project's function may be a bug in it, so the log has its text. It has no traceback, because
        any client can send wrong arguments.
        """
        cause_text = f" ({type(cause).__name__}: {str(cause)[:200]!r})" if cause is not None else ""
        logger.warning(
            "the signal %s refused a call: the argument %.50r %.200s%s", self._name, name, reason, cause_text
        )
        return Deny(400, f"the argument {name[:50]!r} {reason[:200]}")


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (
        3,
        14,
    ):  # annotations are evaluated lazily, and may name types that are only imported for type checking
        import annotationlib  # type: ignore[import-not-found,unused-ignore]

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def _globals(function: Any) -> dict[str, Any]:
    inner: Any = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)  # a functools.partial
    if not hasattr(inner, "__globals__"):  # an instance of a class with __call__
        inner = type(inner).__call__
    return getattr(inner, "__globals__", {})


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    # This evaluates the project's own source code, which is trusted.
    return eval(annotation, names) if isinstance(annotation, str) else annotation  # noqa: S307
