"""Limits how often a session requests tokens, or a user without a session, or an address.

As with calls, the counters are in the memory of the process, because a cache would cost more than most requests.
"""

from __future__ import annotations

import logging
import math

from django.http import HttpRequest

from ..channels.user_ids import user_id
from ..conf.settings import conf
from ..proxies.rate_limits import Buckets
from .client_address import client_address
from .json_views import Refused

logger = logging.getLogger("instant")

#: The rate of an address is this many times the rate of a session, because many visitors may share an address.
ADDRESS_FACTOR = 10

requests = Buckets()


def require_token_rate(request: HttpRequest) -> None:
    """Count a request for tokens. The endpoints that return tokens without a password are counted together.

    Raises:
        Refused: there were more requests than INSTANT_TOKEN_RATE allows.
        InvalidSetting: a setting has a wrong value.
    """
    rate = conf.token_rate
    if rate is None:
        return
    number, seconds = rate
    key = _subject(request)
    if not key:
        address = client_address(request)
        if not address:
            return
        key, number = f"address {address}", number * ADDRESS_FACTOR
    if requests.take(key, (number, seconds)):
        return
    wait = math.ceil(requests.wait(key, (number, seconds))) or 1
    logger.warning("refused a request for tokens, because there are more than INSTANT_TOKEN_RATE allows")
    raise Refused(429, "too_many", f"too many requests for tokens: try again in {wait} seconds", retry_after=wait)


def _subject(request: HttpRequest) -> str:
    """Return the session or the user of a request, or "" for a visitor without a session.

    A cookie alone does not count as a session, because a client can invent any number of cookies.
    """
    is_user = request.user.is_authenticated  # this reads the session, and drops a session key that does not exist
    session = getattr(request, "session", None)
    if session is not None and session.session_key and session.keys():
        return f"session {session.session_key}"
    return f"user {user_id(request.user)}" if is_user else ""
