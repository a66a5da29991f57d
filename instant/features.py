"""Which optional parts of the package a project uses. `apps.py` works it out when all apps are loaded."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps


@dataclass(frozen=True, slots=True)
class Features:
    """The optional parts that are in use. The server's config and the channels of pages depend on them."""

    #: Signals between Django and browser windows: the server passes calls to Django, and each page has its own channel.
    windows: bool = False
    #: Handlers of sockets that say `@socket`; settings may name others.
    sockets: bool = False


def in_use() -> Features:
    """Return the features that the project uses, as `InstantConfig.ready()` has found them; none before that."""
    found: Features = getattr(apps.get_app_config("instant"), "features", Features())
    return found
