"""The checks of `manage.py check`, one file per subject, each with a hint. Ids are never reused."""

from __future__ import annotations


def register() -> None:
    """Register all checks with Django; called once, when the apps are ready."""
    from . import backends, calls, channels, deployment, events, limits, outbox, settings, sockets, windows

    for subject in (settings, backends, channels, outbox, events, windows, calls, sockets, limits, deployment):
        subject.register()
