"""The namespaces of the server, from settings, rules and pages. Checks whether a channel's name belongs to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import features
from ..conf.settings import NamespaceOptions, conf
from ..exceptions import InvalidChannel
from ..protocol import PAGES_NAMESPACE, PERSONAL_PREFIX
from . import rules
from .names import checked_namespace, namespace_of

#: An option of a namespace that django-instant reads. It is not sent to the server.
STRICT = "strict"
#: A page's channel is used only while the page is open, so the server must not keep data about it for a month.
_PAGES: Mapping[str, Any] = {"history_size": 20, "history_ttl": "60s", "history_meta_ttl": "600s"}


def namespaces() -> Mapping[str, NamespaceOptions]:
    """Return the options of each namespace of the server. "" stands for channels without a namespace."""
    of_rules: dict[str, NamespaceOptions] = {name: {} for name in sorted(rules.namespaces())}
    return {"": {}, **of_rules, **conf.INSTANT_NAMESPACES, **reserved()}


def reserved() -> Mapping[str, NamespaceOptions]:
    """Return the namespaces that are reserved for features in use, with their options."""
    return {PAGES_NAMESPACE: _PAGES} if features.in_use().windows else {}


def is_strict(name: str) -> bool:
    """Report whether a token of this channel works on one connection only."""
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
        InvalidChannel: the name is not a string, is empty, too long or not printable ASCII, has a second `$`, or is in
            an unknown or reserved namespace.
    """
    if not isinstance(name, str):
        raise InvalidChannel(f"a channel's name must be a string, not {name!r}")
    namespace = checked_namespace(name)
    if namespace and namespace not in conf.INSTANT_NAMESPACES and not _is_known(namespace):
        raise InvalidChannel(
            f"channel {name!r}: there is no namespace {namespace!r}; add it to INSTANT_NAMESPACES as "
            f'{{"{namespace}": {{}}}}, and restart the server'
        )
    return name


def check_own_name(name: object) -> str:
    """Return `name` if a site may declare a channel of this name.

    Raises:
        InvalidChannel: as with `check_name`, or the name is reserved for a user or for pages.
    """
    checked = check_name(name)
    if checked.startswith(PERSONAL_PREFIX):
        raise InvalidChannel(f"channel {name!r}: names with {PERSONAL_PREFIX!r} are reserved for personal channels")
    if (namespace := namespace_of(checked)) in reserved():
        raise InvalidChannel(f"channel {name!r}: the namespace {namespace!r} is reserved for the channels of pages")
    return checked
