"""Text that holds secrets, and what `repr()`, error pages and messages show of it.

Django's error pages and mails print the `repr()` of settings and local variables. So do loggers and debuggers. Text
with a masked `repr()` stays secret there, with any exception reporter filter, and is plain text everywhere else.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

#: The same text that Django shows for its own keys.
_HIDDEN: Final = "*" * 20
_MASK: Final = "***"
#: The user and the password before the host. A password with an unquoted `/` is found in a complete address only.
_LOGIN = re.compile(r"://[^/?#\s'\"]*@")
#: A parameter of an address, or of a connection string such as `host=db password=…`.
_PARAMETER = re.compile(
    r"(?P<name>[\w.-]*(?:pass|secret|token|key|auth)[\w.-]*\s*=\s*)(?P<value>'(?:\\.|[^'\\])*'|[^\s&'\"]+)",
    re.IGNORECASE,
)

_Error = TypeVar("_Error", bound=BaseException)


class Secret(str):
    """A key or a token: text whose `repr()` shows nothing of it.

    `str()`, formatting, JSON and pickling give the text itself.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_HIDDEN)

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


class SecretAddress(Secret):
    """An address that may hold credentials. Its `repr()` shows everything else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown(self))


def shown(address: str) -> str:
    """Return an address for messages, without user, password and secret parameters."""
    scheme, separator, rest = address.rpartition("://") if address.count("://") == 1 else ("", "", address)
    if "@" in rest and "://" not in rest:
        rest = f"{_MASK}@{rest.rpartition('@')[2]}"
    return masked(f"{scheme}{separator}{rest}")


def masked(text: str) -> str:
    """Return a text, such as a message of another program, without the credentials of the addresses in it."""
    return _PARAMETER.sub(rf"\g<name>{_MASK}", _LOGIN.sub(f"://{_MASK}@", text))


def without_frames(error: _Error) -> _Error:
    """Return a library's error and its causes without tracebacks, whose frames hold the headers of our requests."""
    found: BaseException | None = error
    while found is not None:
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
    return error
