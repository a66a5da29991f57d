"""The settings of version 0.1: the old name of the HMAC key, and the default channel. Removed in django-instant 6.0."""

from __future__ import annotations

import warnings


class Version01Settings:
    """The settings of version 0.1."""

    #: The name of CENTRIFUGO_HMAC_KEY in version 0.1. Deprecated.
    CENTRIFUGO_SECRET_KEY: str | None = None
    #: Whether a message without a channel is sent to INSTANT_PUBLIC_CHANNEL, as in version 0.1. Deprecated.
    INSTANT_ENABLE_PUBLIC_CHANNEL: bool = False
    #: Default: SITE_SLUG followed by "_public".
    INSTANT_PUBLIC_CHANNEL: str | None = None


def deprecated_hmac_key(key: str | None) -> str | None:
    """Return CENTRIFUGO_SECRET_KEY with a warning, or None if it is not set."""
    if key:
        text = "CENTRIFUGO_SECRET_KEY is deprecated: rename it to CENTRIFUGO_HMAC_KEY."
        warnings.warn(text, DeprecationWarning, stacklevel=3)
    return key or None
