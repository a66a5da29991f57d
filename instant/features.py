"""Which optional parts of the package a project uses. `apps.py` works it out when all apps are loaded."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps

from .exceptions import InvalidSetting


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


def require_windows() -> None:
    """Refuse what only pages with windows receive, on a site whose pages have none.

    Raises:
        InvalidSetting: windows are not in use; the text says how a project uses them.
    """
    if not in_use().windows:
        raise InvalidSetting(
            "The pages of this site have no windows: no signal is registered. Set INSTANT_WINDOWS = True, or connect "
            "a function with @signal in an app's windows.py; then start `manage.py runws` again."
        )
