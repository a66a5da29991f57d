"""What the value of a setting must be: its type, and for addresses, rates and header values their form.

The functions below `described` raise InvalidSetting where the value has another form; the text names the setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit, urlunsplit

from ..exceptions import InvalidSetting


def fits(value: object, hint: Any) -> bool:
    """Tell whether `value` is of the type `hint`; True is no number, and an int is a float."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is Callable:
        return callable(value)
    if origin is Mapping:
        return isinstance(value, Mapping) and _fit(value, *get_args(hint))
    if origin is not None:
        return any(fits(value, choice) for choice in get_args(hint))
    if hint in (int, float):
        numbers = (int, float) if hint is float else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    return hint is Any or isinstance(value, hint)


def _fit(items: Mapping[Any, Any], key_hint: Any, item_hint: Any) -> bool:
    return all(fits(key, key_hint) and fits(item, item_hint) for key, item in items.items())


def described(hint: Any) -> str:
    """Return the type `hint` in words."""
    if get_origin(hint) is Literal:
        return " or ".join(repr(choice) for choice in get_args(hint))
    if get_origin(hint) is Mapping:
        item_hint = get_args(hint)[1]
        inner = "" if item_hint is Any else f", of a name to {described(item_hint)}"
        return f"a mapping{inner}"
    if get_origin(hint) is Callable:
        return "a function"
    if get_origin(hint) is not None:
        return " or ".join(described(choice) for choice in get_args(hint))
    return "None" if hint is type(None) else f"of type {hint.__name__}"


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
def rate(name: str, text: str) -> tuple[int, float]:
    """Return a rate as a number, and the seconds in which so many may be made."""
    found = re.fullmatch(r"([1-9][0-9]*)/([0-9]*\.?[0-9]+)s", text)
    if not found or not float(found[2]):
        raise InvalidSetting(f'{name} is {text!r}; it must be a number and seconds, like "100/10s", or None.')
    return int(found[1]), float(found[2])


def for_header(name: str, value: str) -> str:
    """Return a value that an HTTP header can hold."""
    if not (value.isascii() and value.isprintable()):
        raise InvalidSetting(
            f"{name} has characters that no HTTP header can hold, as the end of a line; it must be printable ASCII."
        )
    return value
