"""Hashes that cannot be computed without SECRET_KEY."""

from __future__ import annotations

from django.utils.crypto import salted_hmac


def keyed(purpose: str, text: str) -> str:
    """Return a hash of `text`, 32 hex digits. Hashes for two purposes are unrelated."""
    return salted_hmac(f"instant.{purpose}", text, algorithm="sha256").hexdigest()[:32]
