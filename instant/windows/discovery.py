"""autodiscover(): imports the signals of all apps."""

from __future__ import annotations

import sys

from django.utils.module_loading import autodiscover_modules


def autodiscover() -> None:
    """Import `windows.py` and `signals.py` of every installed app. This runs when Django starts.

    In a Celery worker this also registers our task. In other processes Celery is imported at first use.
    """
    autodiscover_modules("windows", "signals")
    if "celery" in sys.modules:
        from . import celery  # noqa: F401
