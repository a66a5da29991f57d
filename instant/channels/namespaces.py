"""The namespaces of the server, from settings, rules and pages, and whether a channel's name fits one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import features
from ..conf.settings import NamespaceOptions, conf
from ..exceptions import InvalidChannel
from ..protocol import PAGES_NAMESPACE, PERSONAL_PREFIX
from . import rules
from .names import checked_namespace, namespace_of

#: The option of a namespace that belongs to django-instant and not to the server.
STRICT = "strict"
#: A channel of a page is used while the page is open, so the server must not remember each of them for a month.
_PAGES: Mapping[str, Any] = {"history_size": 20, "history_ttl": "60s", "history_meta_ttl": "600s"}


def namespaces() -> Mapping[str, NamespaceOptions]:
    """Return the options of each namespace of the server; "" stands for channels without one."""
    of_rules: dict[str, NamespaceOptions] = {name: {} for name in sorted(rules.namespaces())}
    return {"": {}, **of_rules, **conf.INSTANT_NAMESPACES, **reserved()}


def reserved() -> Mapping[str, NamespaceOptions]:
    """Return the namespaces that features reserve, with their options."""
    return {PAGES_NAMESPACE: _PAGES} if features.in_use().windows else {}


def is_strict(name: str) -> bool:
    """Report whether a token of this channel joins on one connection only."""
    options = conf.INSTANT_NAMESPACES.get(namespace_of(name), {})
    return bool(options.get(STRICT, conf.INSTANT_STRICT))


def has_strict() -> bool:
    """Report whether any channel is strict."""
    return conf.INSTANT_STRICT or any(options.get(STRICT) for options in conf.INSTANT_NAMESPACES.values())


def _is_known(namespace: str) -> bool:
    return namespace in rules.namespaces() or namespace in reserved()


def check_name(name: object) -> str:
    """Return `name` if clients can join a channel of this name on the server.

    Raises:
        InvalidChannel: it is empty, too long, not printable ASCII, has a second `$`, or an unknown namespace.
    """
    if not isinstance(name, str):
        raise InvalidChannel(f"a channel's name is a string that is not empty, not {name!r}")
    namespace = checked_namespace(name)
    if namespace and namespace not in conf.INSTANT_NAMESPACES and not _is_known(namespace):
        raise InvalidChannel(
            f"channel {name!r}: there is no namespace {namespace!r}; add it to INSTANT_NAMESPACES: "
            f'{{"{namespace}": {{}}}}, and start the server again'
        )
    return name


def check_own_name(name: object) -> str:
    """Return `name` if a site may declare a channel of this name.

    Raises:
        InvalidChannel: as with `check_name`, or the name is reserved for a user or for pages.
    """
    checked = check_name(name)
    if checked.startswith(PERSONAL_PREFIX):
        raise InvalidChannel(f"channel {name!r}: {PERSONAL_PREFIX!r} is kept for the channel that each user has")
    if (namespace := namespace_of(checked)) in reserved():
        raise InvalidChannel(f"channel {name!r}: the namespace {namespace!r} is kept for the channels of pages")
    return checked
