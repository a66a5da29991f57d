"""The secret that authenticates Centrifugo's calls: HTTP calls, gRPC streams and the bridge check it."""

from __future__ import annotations

from django.utils.crypto import constant_time_compare

from ..conf.settings import conf
from ..secret_text import Secret


def is_proxy_secret(given: object) -> bool:
    """Report whether `given` is INSTANT_PROXY_SECRET, or was derived from a fallback of SECRET_KEY.

    All of them are compared in constant time.
    """
    if not isinstance(given, str):
        return False
    given = Secret(given)  # error pages show local variables
    try:
        given.encode()
    except UnicodeEncodeError:  # a header's bytes that are not UTF-8, as aiohttp passes them
        return False
    return True in [constant_time_compare(given, secret) for secret in conf.proxy_secrets]
