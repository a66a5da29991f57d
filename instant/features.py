"""The optional parts of the package that a project uses. `apps.py` determines them when all apps are loaded."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps

from .exceptions import InvalidSetting


@dataclass(frozen=True, slots=True)
class Features:
    """The optional parts in use. The server's config and the channels of pages depend on them."""

    #: Signals between Django and browser windows. The server forwards calls to Django, and each page has its own
    #: channel.
    windows: bool = False
    #: Socket handlers declared with `@socket`. Settings may name others.
    sockets: bool = False


def in_use() -> Features:
    """Return the features that the project uses, or none of them before the app is loaded."""
    found: Features = getattr(apps.get_app_config("instant"), "features", Features())
    return found


def require_windows() -> None:
    """Require that windows are in use. Otherwise no page would receive the message.

    Raises:
        InvalidSetting: windows are not in use; the text says how to use them.
    """
    if not in_use().windows:
        raise InvalidSetting(
            "The pages of this site have no windows, because no signal is registered. Set INSTANT_WINDOWS = True, or "
            "connect a function with @signal in an app's windows.py. Then restart `manage.py runws`."
        )
