"""The secret that authenticates Centrifugo's calls. It is checked for HTTP calls, gRPC streams and the bridge."""

from __future__ import annotations

from django.utils.crypto import constant_time_compare

from ..conf.settings import conf
from ..secret_text import Secret


def is_proxy_secret(given: object) -> bool:
    """Report whether `given` is the proxy secret: INSTANT_PROXY_SECRET, or one derived from SECRET_KEY or a fallback of
    it.

    All of them are compared in constant time.

    Raises:
        InvalidSetting: INSTANT_PROXY_SECRET has a wrong value.
    """
    if not isinstance(given, str):
        return False
    given = Secret(given)  # error pages show local variables
    try:
        given.encode()
    except UnicodeEncodeError:  # a header's bytes that are not UTF-8, as aiohttp passes them
        return False
    return True in [constant_time_compare(given, secret) for secret in conf.proxy_secrets]
