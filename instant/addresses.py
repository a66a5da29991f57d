"""Values of settings that have a form of their own: addresses, rates, and what goes into a header.

Each function raises InvalidSetting where the value has another form; the text names the setting.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from .exceptions import InvalidSetting


@lru_cache(maxsize=16)
def server_url(host: str, port: int | None) -> str:
    """Return the address of a host, with the port unless it names one, and without a slash at the end."""
    if port is not None and not 0 < port < 65536:
        raise InvalidSetting(f"CENTRIFUGO_PORT is {port}; it must be from 1 to 65535, or None.")
    try:
        url = urlsplit(host if "://" in host else f"http://{host}")
        own_port, valid = url.port, url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:
        own_port, valid = None, False
    if not valid:
        raise InvalidSetting(
            f'CENTRIFUGO_HOST is {host!r}; it must be like "http://localhost" or "https://example.org".'
        )
    netloc = url.netloc if port is None or own_port else f"{url.netloc}:{port}"
    return urlunsplit((url.scheme, netloc, url.path.rstrip("/"), "", ""))


@lru_cache(maxsize=16)
def backend_url(address: str) -> str:
    """Return INSTANT_BACKEND_URL without a slash at the end."""
    try:
        url = urlsplit(address)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid or url.query or url.fragment or not (address.isascii() and address.isprintable()):
        raise InvalidSetting(f'INSTANT_BACKEND_URL is {address!r}; it must be like "http://10.0.0.5:8000".')
    return address.rstrip("/")


@lru_cache(maxsize=16)
def host_and_port(name: str, address: str, scheme: str) -> str:
    """Return an address of this scheme that is a host and a port."""
    try:
        url = urlsplit(address)
        valid = url.scheme == scheme and bool(url.hostname) and bool(url.port) and not (url.query or url.fragment)
    except ValueError:
        valid = False
    if not valid or url.path.strip("/") or not (address.isascii() and address.isprintable()):
        raise InvalidSetting(f'{name} is {address!r}; it must be a host and a port, like "{scheme}://10.0.0.5:8428".')
    return f"{scheme}://{url.netloc}"


@lru_cache(maxsize=16)
def rate(text: str) -> tuple[int, float]:
    """Return calls, and the seconds in which they may be made."""
    found = re.fullmatch(r"([1-9][0-9]*)/([0-9]*\.?[0-9]+)s", text)
    if not found or not float(found[2]):
        raise InvalidSetting(f'INSTANT_RPC_RATE is {text!r}; it must be calls and seconds, like "100/10s", or None.')
    return int(found[1]), float(found[2])


def for_header(name: str, value: str) -> str:
    """Return a value that an HTTP header can hold."""
    if not (value.isascii() and value.isprintable()):
        raise InvalidSetting(
            f"{name} has characters that no HTTP header can hold, as the end of a line; it must be printable ASCII."
        )
    return value
