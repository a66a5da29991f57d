"""autodiscover(): the signals of all apps."""

from __future__ import annotations

import sys

from django.utils.module_loading import autodiscover_modules


def autodiscover() -> None:
    """Import `windows.py` and `signals.py` of every installed app; Django does this at its start.

    In a Celery worker our task is made known to it, too. Elsewhere Celery is imported when it is needed.
    """
    autodiscover_modules("windows", "signals")
    if "celery" in sys.modules:
        from . import celery  # noqa: F401
