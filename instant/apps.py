"""The Django app: registers checks and signal receivers, and imports the modules in which projects declare things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from .features import Features


class InstantConfig(AppConfig):
    """The Django app, with the `features` that the project uses."""

    name = "instant"
    verbose_name = "Instant"
    default_auto_field = "django.db.models.BigAutoField"
    _features: Features | None = None

    def ready(self) -> None:
        from . import backends, checks
        from .centrifugo import http
        from .channels import rules
        from .conf import hidden_settings
        from .events import discovery as events
        from .revocation import causes
        from .sockets import registry as sockets
        from .windows import discovery as windows

        hidden_settings.mask()
        checks.register()
        causes.connect()
        rules.autodiscover()
        events.autodiscover()
        sockets.autodiscover()
        windows.autodiscover()
        backends.preload()
        http.preload()

    @property
    def features(self) -> Features:
        """The features in use, from what is registered. Cached once all apps are ready.

        Not computed in `ready()`: apps that are loaded later may register more in theirs.
        """
        if self._features is not None:
            return self._features
        found = _features()
        if self.apps is not None and self.apps.ready:
            self._features = found
        return found


def _features() -> Features:
    from .conf.settings import conf
    from .features import Features
    from .sockets import registry as sockets
    from .windows import registry as windows

    wanted = conf.INSTANT_WINDOWS
    return Features(
        windows=bool(windows.registered()) if wanted is None else wanted,
        sockets=bool(sockets.decorated()),
    )
