from __future__ import annotations

from django.apps import AppConfig


class InstantConfig(AppConfig):
    """The app: its checks and receivers are connected when Django is ready."""

    name = "instant"
    verbose_name = "Instant"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.utils.module_loading import autodiscover_modules

        from . import checks, events, revocation, sockets
        from .events import checks as events_checks
        from .proxies import checks as proxies_checks
        from .sockets import checks as sockets_checks
        from .windows import checks as windows_checks
        from .windows import discovery

        checks.register()
        events_checks.register()
        proxies_checks.register()
        sockets_checks.register()
        windows_checks.register()
        revocation.connect()
        autodiscover_modules("channels")  # the rules of all apps
        events.autodiscover()
        sockets.autodiscover()
        discovery.autodiscover()
