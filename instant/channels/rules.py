"""Who may join channels that nobody creates one by one: rules, by pattern.

```python
@rule("$post:<int:pk>")
def readers(user, pk): ...
```

Patterns are those of Django's `path()`, and match the whole name. A rule that cannot be right, see `faults`, matches
nothing.
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

#: Called with the user, and with the parts that the pattern found, by name.
Rule = Callable[..., Any]
_F = TypeVar("_F", bound=Rule)

_CONVERTER = re.compile(r"<(?:([^<>:]+):)?([^<>]*)>")


#: What a rule's answer may contain besides `info`: options of Centrifugo for this one subscription.
OVERRIDES = ("presence", "join_leave", "force_push_join_leave", "force_recovery", "force_positioning")


class Match(NamedTuple):
    """The rule of a name, and what its pattern found in it."""

    function: Rule
    kwargs: dict[str, Any]
    #: The pattern, and where the function is defined.
    name: str = ""


class Fault(NamedTuple):
    """What `manage.py check` reports: the id of the check, and what is wrong."""

    check_id: str
    text: str


class Entry:
    """One rule. Its pattern is parsed when it is needed, because a converter may be registered after the rule."""

    def __init__(self, pattern: str, function: Rule, where: str) -> None:
        self.pattern, self.function, self.where = pattern, function, where
        #: The text that each of its names starts with, and whether that is the whole name.
        self.prefix, converter, _ = pattern.partition("<")
        self.is_exact = not converter
        #: Equal for patterns that differ only in the names of their parts.
        self.shape = _CONVERTER.sub(lambda found: f"<{found[1] or 'str'}>", pattern)

    def __str__(self) -> str:
        return f"the rule {self.pattern!r} of {self.where}"

    @property
    def namespace(self) -> str:
        return names.namespace_of(self.prefix)

    @property
    def fault(self) -> str | None:
        """Return what is wrong with the pattern, whatever the settings are."""
        if self.wrong_name is None:
            try:
                self._route.regex  # noqa: B018
            except (ImproperlyConfigured, re.error) as error:
                return str(error)
        return self.wrong_name

    @cached_property
    def wrong_name(self) -> str | None:
        """Return what is wrong with all names of the pattern. No converter is needed for this."""
        try:
            names.checked_namespace(_CONVERTER.sub("1", self.pattern))
        except InvalidChannel as error:
            return str(error)
        if self.pattern.startswith(PERSONAL_PREFIX):
            return f"{PERSONAL_PREFIX!r} is kept for the channel that each user has"
        if any(name == "user" for _, name in _CONVERTER.findall(self.pattern)):
            return "a part of it is named user, as what the function is called with first"
        if NAMESPACE_BOUNDARY not in self.prefix:
            dynamic = NAMESPACE_BOUNDARY in _CONVERTER.sub("", self.pattern)
            return "the server must know its namespace beforehand, so that is plain text" if dynamic else None
        if not re.fullmatch(NAMESPACE_PATTERN, self.namespace):
            return f"{self.namespace!r} is no name of a namespace: at least two of A-Z a-z 0-9 - _ ."
        return None

    @cached_property
    def _route(self) -> RoutePattern:
        return RoutePattern(self.pattern, is_endpoint=True)

    def match(self, name: str) -> dict[str, Any] | None:
        """Return what the pattern finds in `name`, or None if it does not match."""
        if self.is_exact:
            return {} if name == self.pattern and not self.fault else None
        if not name.startswith(self.prefix) or self.fault:
            return None
        try:
            found = self._route.match(name)
        except Exception:  # Django's converters raise ValueError; other exceptions do not match, either
            logger.exception("a converter of %s failed at %r", self, name)
            return None
        return None if found is None else found[2]


_rules: list[Entry] = []
#: The namespaces that the server needs for the rules. Each message's channel is checked against them.
_namespaces: set[str] = set()


def rule(pattern: str) -> Callable[[_F], _F]:
    """Let the decorated function decide who may join the channels of `pattern`, such as `$post:<int:pk>`.

    It is called with the user and what the pattern found, and may be async. A false answer denies, except for an empty
    dict. A dict allows, and contains the subscription's `info`, which other clients may see, and options of the server
    for this subscription: `presence`, `join_leave`, `force_push_join_leave`, `force_recovery`, `force_positioning`. Put
    rules into an app's `channels.py`, which is imported at start.
    """

    def decorator(function: _F) -> _F:
        add(pattern, function)
        return function

    return decorator


def autodiscover() -> None:
    """Import `channels.py` of every installed app; Django does this at its start."""
    autodiscover_modules("channels")


def add(pattern: str, function: Rule, *, where: str | None = None) -> None:
    """Let `function(user, **parts)` decide who may join the channels of this pattern."""
    if not isinstance(pattern, str):
        raise TypeError(f"a rule's pattern is text, as '$post:<int:pk>', not {pattern!r}")
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
    """Return the rule of this name, or None if there is none or more than one. The latter is logged."""
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
    return _namespaces


def _find_namespaces() -> None:
    global _namespaces  # noqa: PLW0603
    _namespaces = {entry.namespace for entry in _rules if entry.namespace and not entry.wrong_name}


def faults() -> Iterator[Fault]:
    """Yield what `manage.py check` reports: invalid patterns, and equal ones."""
    shapes: dict[str, Entry] = {}
    for entry in _rules:
        if entry.fault:
            yield Fault("instant.E030", f"{entry} matches nothing: {entry.fault}.")
        elif features.in_use().windows and entry.namespace == PAGES_NAMESPACE:
            yield Fault("instant.E030", f"{entry} lets nobody join: its namespace is kept for the channels of pages.")
        elif (first := shapes.setdefault(entry.shape, entry)) is not entry:
            yield Fault("instant.E031", f"{first} and {entry} have the same names, which nobody may join.")


def ask(user: AbstractBaseUser | AnonymousUser, name: str, match: Match) -> dict[str, Any] | None:
    """Return what the rule adds to the token with which `user` joins this name, or None if the rule denies.

    Any exception denies access and is logged.
    """
    try:
        return _claims(awaited(match.function(user, **match.kwargs)))
    except Exception:
        logger.exception("%s lets nobody join %r: it failed", match.name, name)
        return None


def _claims(answer: object) -> dict[str, Any] | None:
    if not isinstance(answer, Mapping):
        return {} if is_true(answer) else None
    if unknown := sorted(str(key) for key in answer if key != "info" and key not in OVERRIDES):
        raise TypeError(f"a rule's answer has info and {', '.join(OVERRIDES)}, not {', '.join(unknown)}")
    claims: dict[str, Any] = {}
    override = {key: {"value": _flag(key, answer[key])} for key in OVERRIDES if key in answer}
    if override:
        claims["override"] = override
    if answer.get("info") is not None:
        claims["info"] = _json(answer["info"])
    return claims


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}")
    return value


def _json(info: object) -> Any:
    """Encode dates and the like as in messages; a token's own JSON encoder cannot."""
    try:
        return json.loads(encode(info))
    except InvalidMessage as error:
        raise TypeError(f"info cannot be written as JSON: {error}") from error
