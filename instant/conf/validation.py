"""Validate the values of settings: their types, and the form of addresses, rates and header values.

`server_url`, `backend_url`, `host_and_port`, `rate` and `for_header` raise InvalidSetting if the value has a wrong
form. The text of the error names the setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit, urlunsplit

from ..exceptions import InvalidSetting
from ..secret_text import Secret, SecretAddress


def fits(value: object, hint: Any) -> bool:
    """Report whether `value` has the type `hint`. A bool does not count as a number. An int counts as a float."""
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


def for_message(name: str, value: object) -> str:
    """Return the value of a setting for a message, without keys and without the credentials of addresses."""
    if is_key(name):
        return "wrong"
    if is_address(name) and value is not None:
        return repr(SecretAddress(value)) if isinstance(value, str) else f"of type {type(value).__name__}"
    return repr(value)


def is_key(name: str) -> bool:
    """Report whether a setting of this name holds a key or another secret, and nothing else."""
    return name.endswith(("_KEY", "_SECRET"))


def is_address(name: str) -> bool:
    """Report whether a setting of this name holds an address, which may contain credentials."""
    return name.endswith(("_HOST", "_DSN", "_ENGINE", "_URL", "_BRIDGE"))


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
def server_url(host: str, port: int | None) -> SecretAddress:
    """Return the address of a host, with the port unless the host has one, and without a trailing slash.

    Raises:
        InvalidSetting: `host` is not an address, or `port` is not from 1 to 65535.
    """
    if port is not None and not 0 < port < 65536:
        raise InvalidSetting(f"CENTRIFUGO_PORT is {port}; it must be from 1 to 65535, or None.")
    address = SecretAddress(host if "://" in host else f"http://{host}")
    if not _is_url(address, "http", "https"):
        raise InvalidSetting(
            f'CENTRIFUGO_HOST is {SecretAddress(host)!r}; it must be like "http://localhost" or "https://example.org".'
        )
    url = urlsplit(address)
    netloc = url.netloc if port is None or url.port else f"{url.netloc}:{port}"
    return SecretAddress(urlunsplit((url.scheme, netloc, url.path.rstrip("/"), "", "")))


@lru_cache(maxsize=16)
def backend_url(address: str) -> SecretAddress:
    """Return INSTANT_BACKEND_URL without a trailing slash.

    Raises:
        InvalidSetting: `address` is not an HTTP address, has a query or a fragment, or is not printable ASCII.
    """
    if not _is_url(address, "http", "https") or not _is_plain(address) or urlsplit(address).port == 0:
        shown = repr(SecretAddress(address))
        raise InvalidSetting(f'INSTANT_BACKEND_URL is {shown}; it must be like "http://10.0.0.5:8000".')
    return SecretAddress(address.rstrip("/"))


@lru_cache(maxsize=16)
def host_and_port(name: str, address: str, scheme: str) -> SecretAddress:
    """Return an address that consists of this scheme, a host and a port.

    Raises:
        InvalidSetting: `address` has another form.
    """
    if not _is_url(address, scheme) or not _is_plain(address) or not _is_host_and_port(address):
        shown = repr(SecretAddress(address))
        raise InvalidSetting(f'{name} is {shown}; it must be a host and a port, like "{scheme}://10.0.0.5:8428".')
    return SecretAddress(f"{scheme}://{urlsplit(address).netloc}")


# Functions that raise errors keep no parts of an address in local variables, because error pages show local variables.


def _is_url(address: str, *schemes: str) -> bool:
    try:
        url = urlsplit(address)
        if "[" in url.netloc:  # before Python 3.11, urlsplit() accepts anything in brackets
            IPv6Address(url.hostname or "")
        return url.scheme in schemes and bool(url.hostname) and (url.port is None or url.port >= 0)
    except ValueError:
        return False


def _is_host_and_port(address: str) -> bool:
    url = urlsplit(address)
    return bool(url.port) and not url.path.strip("/")


def _is_plain(address: str) -> bool:
    url = urlsplit(address)
    return not (url.query or url.fragment) and address.isascii() and address.isprintable()


@lru_cache(maxsize=16)
def rate(name: str, text: str) -> tuple[int, float]:
    """Return the number and the seconds of a rate: "100/10s" is (100, 10.0).

    Raises:
        InvalidSetting: `text` is not a rate such as "100/10s".
    """
    found = re.fullmatch(r"([1-9][0-9]*)/([0-9]*\.?[0-9]+)s", text)
    if not found or not float(found[2]):
        raise InvalidSetting(f'{name} is {text!r}; it must be a number and seconds, like "100/10s", or None.')
    return int(found[1]), float(found[2])


def for_header(name: str, value: str) -> Secret:
    """Return `value` if it is valid in an HTTP header.

    Raises:
        InvalidSetting: `value` has other characters than printable ASCII.
    """
    if not (value.isascii() and value.isprintable()):
        raise InvalidSetting(
            f"{name} has characters that an HTTP header cannot hold, such as a line break; it must be printable ASCII."
        )
    return Secret(value)
