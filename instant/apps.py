from __future__ import annotations

from django.apps import AppConfig


class InstantConfig(AppConfig):
    """The app: its checks and receivers are connected when Django is ready."""

    name = "instant"
    verbose_name = "Instant"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, revocation

        checks.register()
        revocation.connect()
