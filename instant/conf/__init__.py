"""The settings of django-instant: `from instant.conf import conf`, then `conf.CENTRIFUGO_PORT`."""

from __future__ import annotations

from .settings import NamespaceOptions, Settings, conf

__all__ = ["NamespaceOptions", "Settings", "conf"]
