"""The settings of version 0.1: the old name of the HMAC key, and the default channel. Dropped in django-instant 6.0."""

from __future__ import annotations

import warnings


class Version01Settings:
    """The settings of version 0.1."""

    #: The name of the HMAC key in version 0.1; deprecated.
    CENTRIFUGO_SECRET_KEY: str | None = None
    #: Whether a message without a channel goes to INSTANT_PUBLIC_CHANNEL, as in version 0.1; deprecated.
    INSTANT_ENABLE_PUBLIC_CHANNEL: bool = False
    #: Default: SITE_SLUG with "_public" behind it.
    INSTANT_PUBLIC_CHANNEL: str | None = None


def deprecated_hmac_key(key: str | None) -> str | None:
    """Return CENTRIFUGO_SECRET_KEY with a warning, or None where it is not set."""
    if key:
        text = "CENTRIFUGO_SECRET_KEY is deprecated: rename it to CENTRIFUGO_HMAC_KEY."
        warnings.warn(text, DeprecationWarning, stacklevel=3)
    return key or None
