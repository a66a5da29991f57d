"""The secret by which the server shows that a call comes from it: HTTP calls, gRPC streams and the bridge check it."""

from __future__ import annotations

from django.utils.crypto import constant_time_compare

from ..conf.settings import conf
from ..secret_text import Secret


def is_proxy_secret(given: object) -> bool:
    """Report whether `given` is INSTANT_PROXY_SECRET, or one that was derived from a fallback of SECRET_KEY.

    All of them are compared, in constant time, so that the duration reveals nothing.
    """
    if not isinstance(given, str):
        return False
    given = Secret(given)  # error pages show local variables
    try:
        given.encode()
    except UnicodeEncodeError:  # the bytes of a header that are no UTF-8, as aiohttp has them
        return False
    return True in [constant_time_compare(given, secret) for secret in conf.proxy_secrets]
