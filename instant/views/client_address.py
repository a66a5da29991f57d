"""The client address for limits: the result of INSTANT_CLIENT_ADDRESS, or REMOTE_ADDR by default."""

from __future__ import annotations

import ipaddress
import logging
from contextlib import suppress
from typing import Any

from django.http import HttpRequest

from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..user_callables import awaited
from ..windows.dotted_path_settings import imported

logger = logging.getLogger("instant")

#: The most characters that are kept of an address that is not an IP address.
MAX_LENGTH = 100


def client_address(request: HttpRequest) -> str:
    """Return the normalised address of the client that sent `request`, or "" if it is unknown.

    An IPv6 address is returned as its /64 network, because one client usually has all addresses of this network. If the
    function of INSTANT_CLIENT_ADDRESS fails or returns no text, the failure is logged and REMOTE_ADDR is used.
    """
    return _normalised(_address_of_setting(request) or _peer(request))


def function_of(setting: Any) -> Any:
    """Return the function of a value of INSTANT_CLIENT_ADDRESS, or None if the value is None.

    Raises:
        InvalidSetting: the path cannot be imported, or its object cannot be called.
    """
    if not isinstance(setting, str):
        return setting
    found = imported("INSTANT_CLIENT_ADDRESS", setting)
    if not callable(found):
        raise InvalidSetting(f"INSTANT_CLIENT_ADDRESS is {setting!r}; it must be the dotted path of a function.")
    return found


def _address_of_setting(request: HttpRequest) -> str:
    """Return the text that the site's function returns. Return "" if there is no function, or no usable text."""
    try:
        function = function_of(conf.INSTANT_CLIENT_ADDRESS)
        if function is None:
            return ""
        found = awaited(function(request))
    except Exception:
        logger.exception("INSTANT_CLIENT_ADDRESS failed, so REMOTE_ADDR is used for this request")
        return ""
    if isinstance(found, str) and found.strip():
        return found
    logger.warning(
        "INSTANT_CLIENT_ADDRESS returned %s instead of an address, so REMOTE_ADDR is used for this request",
        "an empty text" if isinstance(found, str) else f"an object of type {type(found).__name__}",
    )
    return ""


def _peer(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR") or "")


def _normalised(text: str) -> str:
    text = text.strip()
    for candidate in (text, text.strip("[]"), text.rpartition(":")[0].strip("[]")):  # the last one removes a port
        with suppress(ValueError):
            return _network(ipaddress.ip_address(candidate))
    return text[:MAX_LENGTH]


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
