"""Who may join channels that nobody creates one by one: rules, by pattern.

```python
@rule("$post:<int:pk>")
def readers(user, pk): ...
```

Patterns are those of Django's `path()`, and match the whole name. A rule that cannot be right, see `faults`, matches
nothing.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.urls.resolvers import RoutePattern

from . import channels, features
from .exceptions import InvalidChannel
from .protocol import NAMESPACE_BOUNDARY, PERSONAL_PREFIX

logger = logging.getLogger("instant")

#: Called with the user, and what the pattern found by name.
Rule = Callable[..., Any]
_F = TypeVar("_F", bound=Rule)

_CONVERTER = re.compile(r"<(?:([^<>:]+):)?([^<>]*)>")
_NAMESPACE = re.compile(r"[-a-zA-Z0-9_.]{2,}")


class Match(NamedTuple):
    """The rule of a name, and what its pattern found in it."""

    function: Rule
    kwargs: dict[str, Any]
    #: The pattern, and where the function is.
    name: str = ""


class Fault(NamedTuple):
    """What `manage.py check` should tell: its id, and what is wrong."""

    check_id: str
    text: str


class Entry:
    """One rule. Its pattern is read when it is needed: a converter may be registered after the rule."""

    def __init__(self, pattern: str, function: Rule, where: str) -> None:
        self.pattern, self.function, self.where = pattern, function, where
        #: What each name of it starts with, and whether that is all.
        self.prefix, converter, _ = pattern.partition("<")
        self.is_exact = not converter
        #: The same for patterns that differ in the names of their parts only.
        self.shape = _CONVERTER.sub(lambda found: f"<{found[1] or 'str'}>", pattern)

    def __str__(self) -> str:
        return f"the rule {self.pattern!r} of {self.where}"

    @property
    def namespace(self) -> str:
        return channels.namespace_of(self.prefix)

    @property
    def fault(self) -> str | None:
        """What is wrong with the pattern, whatever the settings say."""
        if self.wrong_name is None:
            try:
                self._route.regex  # noqa: B018
            except (ImproperlyConfigured, re.error) as error:
                return str(error)
        return self.wrong_name

    @cached_property
    def wrong_name(self) -> str | None:
        """What is wrong with all names of the pattern. It needs no converter."""
        try:
            channels.namespace_of_good(_CONVERTER.sub("1", self.pattern))
        except InvalidChannel as error:
            return str(error)
        if self.pattern.startswith(PERSONAL_PREFIX):
            return f"{PERSONAL_PREFIX!r} is kept for the channel that each user has"
        if any(name == "user" for _, name in _CONVERTER.findall(self.pattern)):
            return "a part of it is named user, as what the function is called with first"
        if NAMESPACE_BOUNDARY not in self.prefix:
            dynamic = NAMESPACE_BOUNDARY in _CONVERTER.sub("", self.pattern)
            return "the server must know its namespace beforehand, so that is plain text" if dynamic else None
        if not _NAMESPACE.fullmatch(self.namespace):
            return f"{self.namespace!r} is no name of a namespace: at least two of A-Z a-z 0-9 - _ ."
        return None

    @cached_property
    def _route(self) -> RoutePattern:
        return RoutePattern(self.pattern, is_endpoint=True)

    def match(self, name: str) -> dict[str, Any] | None:
        """Return what the pattern finds in `name`, or None where it is not of this rule."""
        if self.is_exact:
            return {} if name == self.pattern and not self.fault else None
        if not name.startswith(self.prefix) or self.fault:
            return None
        try:
            found = self._route.match(name)
        except Exception:  # a ValueError is Django's own way; what else a converter raises is no match either
            logger.exception("a converter of %s failed at %r", self, name)
            return None
        return None if found is None else found[2]


_rules: list[Entry] = []


def rule(pattern: str) -> Callable[[_F], _F]:
    """Ask the function below who may join the channels of `pattern`, as `$post:<int:pk>`.

    It is called with the user, and what the pattern found by name; it may be async. False and None keep the user out,
    all else lets them join, what is false by itself too. A dict, which may be empty, has the subscription's `info` for
    others to see, and options of the server for this one: `presence`, `join_leave`, `force_push_join_leave`,
    `force_recovery`, `force_positioning`. Rules belong into an app's `channels.py`, which is imported at start.
    """

    def decorator(function: _F) -> _F:
        add(pattern, function)
        return function

    return decorator


def add(pattern: str, function: Rule, *, where: str | None = None) -> None:
    """Have `function(user, **parts)` asked who may join the channels of this pattern."""
    if not isinstance(pattern, str):
        raise TypeError(f"a rule's pattern is text, as '$post:<int:pk>', not {pattern!r}")
    if any(entry.pattern == pattern and entry.function is function for entry in _rules):
        return
    _rules.append(Entry(pattern, function, where or _place(function)))
    _tell_namespaces()


def remove(pattern: str) -> None:
    """Forget the rules of this pattern."""
    _rules[:] = [entry for entry in _rules if entry.pattern != pattern]
    _tell_namespaces()


def registered() -> list[Entry]:
    """Return all rules, in the order in which they were added."""
    return list(_rules)


def find(name: str) -> Match | None:
    """Return the rule of this name; None where there is none, or more than one, which is logged."""
    found = [(entry, kwargs) for entry in _rules if (kwargs := entry.match(name)) is not None]
    if not found:
        return None
    if len(found) > 1:
        logger.error("nobody may join %r: it matches %s", name, " and ".join(str(entry) for entry, _ in found))
        return None
    entry, kwargs = found[0]
    return Match(entry.function, kwargs, str(entry))


def namespaces() -> set[str]:
    """Return the namespaces that the server must have for the rules."""
    return {entry.namespace for entry in _rules if entry.namespace and not entry.wrong_name}


def faults() -> Iterator[Fault]:
    """Give what `manage.py check` should tell: patterns that cannot be, and equal ones."""
    shapes: dict[str, Entry] = {}
    for entry in _rules:
        if entry.fault:
            yield Fault("instant.E030", f"{entry} matches nothing: {entry.fault}.")
        elif entry.namespace in features.namespaces():
            yield Fault("instant.E030", f"{entry} lets nobody join: its namespace is kept for the channels of pages.")
        elif (first := shapes.setdefault(entry.shape, entry)) is not entry:
            yield Fault("instant.E031", f"{first} and {entry} have the same names, which nobody may join.")


def _tell_namespaces() -> None:
    channels.namespaces_of_rules.clear()
    channels.namespaces_of_rules.update(namespaces())


def _place(function: Rule) -> str:
    """Where to find the function: its name for who searches, and its line for who clicks."""
    inner = inspect.unwrap(function)
    name = f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    code = getattr(inner, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
