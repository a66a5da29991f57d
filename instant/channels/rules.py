"""Rules: functions that decide who may join the channels of a pattern, without a row or setting for each channel.

```python
@rule("$post:<int:pk>")
def readers(user, pk): ...
```

Patterns are those of Django's `path()`, and match the whole name. An invalid rule (see `faults`) matches nothing.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.urls.resolvers import RoutePattern
from django.utils.module_loading import autodiscover_modules

from .. import features
from ..exceptions import InvalidChannel, InvalidMessage
from ..protocol import NAMESPACE_BOUNDARY, NAMESPACE_PATTERN, PAGES_NAMESPACE, PERSONAL_PREFIX
from ..serializer import encode
from ..user_callables import awaited, is_true, place_of
from . import names

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

logger = logging.getLogger("instant")

#: Called with the user, and with the values of the pattern's parts as keyword arguments.
Rule = Callable[..., Any]
_F = TypeVar("_F", bound=Rule)

_CONVERTER = re.compile(r"<(?:([^<>:]+):)?([^<>]*)>")


#: The keys of a rule's result besides `info`: options of Centrifugo for this one subscription.
OVERRIDES = ("presence", "join_leave", "force_push_join_leave", "force_recovery", "force_positioning")


class Match(NamedTuple):
    """The rule of a name, and the values of the pattern's parts in that name."""

    function: Rule
    kwargs: dict[str, Any]
    #: The pattern, and where the function is defined.
    name: str = ""


class Fault(NamedTuple):
    """A fault that `manage.py check` reports: the id of the check, and the text of the error."""

    check_id: str
    text: str


class Entry:
    """One rule. Its pattern is parsed on first use, because a converter may be registered after the rule."""

    def __init__(self, pattern: str, function: Rule, where: str) -> None:
        self.pattern, self.function, self.where = pattern, function, where
        #: The text with which all names of the pattern begin, and whether the pattern consists of this text only.
        self.prefix, converter, _ = pattern.partition("<")
        self.is_exact = not converter
        #: The same for patterns that differ only in the names of their parts.
        self.shape = _CONVERTER.sub(lambda found: f"<{found[1] or 'str'}>", pattern)

    def __str__(self) -> str:
        return f"the rule {self.pattern!r} of {self.where}"

    @property
    def namespace(self) -> str:
        return names.namespace_of(self.prefix)

    @property
    def fault(self) -> str | None:
        """The error in the pattern, whatever the settings are. None if the pattern is valid."""
        if self.wrong_name is None:
            try:
                self._route.regex  # noqa: B018
            except (ImproperlyConfigured, re.error) as error:
                return str(error)
        return self.wrong_name

    @cached_property
    def wrong_name(self) -> str | None:
        """The error in all names of the pattern, or None. No converter is needed to find it."""
        try:
            names.checked_namespace(_CONVERTER.sub("1", self.pattern))
        except InvalidChannel as error:
            return str(error)
        if self.pattern.startswith(PERSONAL_PREFIX):
            return f"names that begin with {PERSONAL_PREFIX!r} are reserved for personal channels"
        if any(name == "user" for _, name in _CONVERTER.findall(self.pattern)):
            return "a part cannot have the name user, because the function's first argument is the user"
        if NAMESPACE_BOUNDARY not in self.prefix:
            dynamic = NAMESPACE_BOUNDARY in _CONVERTER.sub("", self.pattern)
            return "its namespace must be plain text, because the server must know it beforehand" if dynamic else None
        if not re.fullmatch(NAMESPACE_PATTERN, self.namespace):
            return f"{self.namespace!r} cannot be a namespace: use at least two of the characters A-Z a-z 0-9 - _ ."
        return None

    @cached_property
    def _route(self) -> RoutePattern:
        return RoutePattern(self.pattern, is_endpoint=True)

    def match(self, name: str) -> dict[str, Any] | None:
        """Return the values of the pattern's parts in `name`, or None if `name` does not match."""
        if self.is_exact:
            return {} if name == self.pattern and not self.fault else None
        if not name.startswith(self.prefix) or self.fault:
            return None
        try:
            found = self._route.match(name)
        except Exception:  # Django's converters raise ValueError; after other errors the name does not match, either
            logger.exception("a converter of %s failed for the name %r", self, name)
            return None
        return None if found is None else found[2]


_rules: list[Entry] = []
#: The namespaces that rules need on the server. They are kept, because the channel of each message is checked.
_namespaces: set[str] = set()


def rule(pattern: str) -> Callable[[_F], _F]:
    """Register the decorated function as the rule for channels of `pattern`, such as `$post:<int:pk>`.

    The function is called with the user and the values of the pattern's parts, and may be async. A false result denies
    access, except for an empty dict. A dict allows access. It may contain the subscription's `info`, which other
    clients may see, and options of the server for this subscription: `presence`, `join_leave`, `force_push_join_leave`,
    `force_recovery`, `force_positioning`.

    Put rules into an app's `channels.py`, which is imported at start.

    Raises:
        TypeError: the pattern is not a string.
    """

    def decorator(function: _F) -> _F:
        add(pattern, function)
        return function

    return decorator


def autodiscover() -> None:
    """Import `channels.py` of every installed app. Django calls this when it starts."""
    autodiscover_modules("channels")


def add(pattern: str, function: Rule, *, where: str | None = None) -> None:
    """Register `function(user, **parts)` as the rule for channels of this pattern.

    The same function is registered once for a pattern. `where` names the function in texts; by default it is the
    function's location.

    Raises:
        TypeError: the pattern is not a string.
    """
    if not isinstance(pattern, str):
        raise TypeError(f"the pattern of a rule must be a string like '$post:<int:pk>', not {pattern!r}")
    if any(entry.pattern == pattern and entry.function is function for entry in _rules):
        return
    _rules.append(Entry(pattern, function, where or place_of(function)))
    _find_namespaces()


def remove(pattern: str) -> None:
    """Remove the rules of this pattern."""
    _rules[:] = [entry for entry in _rules if entry.pattern != pattern]
    _find_namespaces()


def registered() -> list[Entry]:
    """Return all rules, in the order in which they were added."""
    return list(_rules)


def find(name: str) -> Match | None:
    """Return the rule of this name. Return None if no rule matches, or if more than one does, which is logged."""
    found = [(entry, kwargs) for entry in _rules if (kwargs := entry.match(name)) is not None]
    if not found:
        return None
    if len(found) > 1:
        logger.error(
            "nobody may join %r, because more than one rule matches: %s",
            name,
            " and ".join(str(entry) for entry, _ in found),
        )
        return None
    entry, kwargs = found[0]
    return Match(entry.function, kwargs, str(entry))


def namespaces() -> set[str]:
    """Return the namespaces that the server must have for the rules."""
    return _namespaces


def _find_namespaces() -> None:
    global _namespaces  # noqa: PLW0603
    _namespaces = {entry.namespace for entry in _rules if entry.namespace and not entry.wrong_name}


def faults() -> Iterator[Fault]:
    """Yield what `manage.py check` reports: invalid patterns, and patterns that match the same names."""
    shapes: dict[str, Entry] = {}
    for entry in _rules:
        if entry.fault:
            yield Fault("instant.E030", f"{entry} matches nothing: {entry.fault}.")
        elif features.in_use().windows and entry.namespace == PAGES_NAMESPACE:
            yield Fault("instant.E030", f"{entry} has no effect: its namespace is reserved for the channels of pages.")
        elif (first := shapes.setdefault(entry.shape, entry)) is not entry:
            yield Fault("instant.E031", f"{first} and {entry} match the same names, so nobody may join these channels.")


def ask(user: AbstractBaseUser | AnonymousUser, name: str, match: Match) -> dict[str, Any] | None:
    """Call a rule. Return what it adds to the token with which `user` joins this name, or None if it denies access.

    Any exception denies access and is logged.
    """
    try:
        return _claims(awaited(match.function(user, **match.kwargs)))
    except Exception:
        logger.exception("%s failed, so access to %r is denied", match.name, name)
        return None


def _claims(answer: object) -> dict[str, Any] | None:
    if not isinstance(answer, Mapping):
        return {} if is_true(answer) else None
    if unknown := sorted(str(key) for key in answer if key != "info" and key not in OVERRIDES):
        raise TypeError(f"the dict of a rule may contain info and {', '.join(OVERRIDES)}, not {', '.join(unknown)}")
    claims: dict[str, Any] = {}
    override = {key: {"value": _flag(key, answer[key])} for key in OVERRIDES if key in answer}
    if override:
        claims["override"] = override
    if answer.get("info") is not None:
        claims["info"] = _json(answer["info"])
    return claims


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def _json(info: object) -> Any:
    """Return `info` with dates and the like encoded as in messages. The JSON encoder of tokens cannot encode them."""
    try:
        return json.loads(encode(info))
    except InvalidMessage as error:
        raise TypeError(f"info cannot be encoded as JSON: {error}") from error
