"""WindowInfo: describes the window that called a function, or for which a page is rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone, translation

from ..channels.user_ids import user_named
from ..conf.settings import conf
from ..exceptions import Deny, InvalidSetting
from ..exclude import clients_of
from ..protocol import SENDER_HEADER
from .dotted_path_settings import imported

__all__ = ["InfoMiddleware", "WindowInfo"]

#: The attributes of every WindowInfo. A middleware may leave an attribute empty.
_NAMES = ("window_key", "user_id", "username", "session", "language", "time_zone", "user_agent", "address", "clients")
#: The default of INSTANT_WINDOW_INFO_MIDDLEWARES.
MIDDLEWARES = tuple(
    f"instant.windows.middlewares.{name}"
    for name in ("WindowKeyMiddleware", "DjangoAuthMiddleware", "Djangoi18nMiddleware", "BrowserMiddleware")
)


class WindowInfo:
    """A window with its user, language, time zone and browser. Without arguments, it has no window and no user.

    `window_key`, `user_id` (the pk as text), `username`, `session` (a hash of the session's key), `language`,
    `time_zone`, `user_agent`, `address` and `clients` (the ids of the page's connections) are text, and "" if unknown.
    Your own middlewares can add more attributes. To exclude the window's page from a message, use
    `publish(…, exclude=window_info)`.
    """

    def __init__(self, **values: Any) -> None:
        self.values: dict[str, Any] = dict.fromkeys(_NAMES, "") | values
        self._user: Any = None

    def __getattr__(self, name: str) -> Any:
        if name != "values" and name in self.values:
            return self.values[name]
        raise AttributeError(f"a WindowInfo has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<WindowInfo of window {self.window_key or 'none'}, user {self.user_id or 'none'}>"

    @classmethod
    def from_request(cls, request: HttpRequest | WindowInfo | None) -> WindowInfo:
        """Return the info of the window for which `request` renders a page.

        A WindowInfo is returned unchanged. For None, the info has no window and no user.

        Raises:
            TypeError: `request` is neither a request nor a WindowInfo.
            InvalidSetting: INSTANT_WINDOW_INFO_MIDDLEWARES is wrong.
        """
        if isinstance(request, WindowInfo):
            return request
        info = cls()
        if request is not None:
            if not hasattr(request, "META"):
                raise TypeError(f"expected a request or a WindowInfo, not {request!r}")
            for middleware in info_middlewares():
                middleware.from_request(request, info)
            if hasattr(request, "headers"):
                info.values["clients"] = clients_of(request)
        return info

    @classmethod
    def from_client(
        cls,
        user: str,
        meta: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        address: str = "",
        client: str = "",
    ) -> WindowInfo:
        """Return the info of a window that makes a call.

        `user` is the user's id in Centrifugo, or "" for a visitor. `client` is the connection's id. `meta` is the data
        that Django signed into the connection token. `headers` are the browser's headers that Centrifugo forwards.
        `address` is the browser's address, or "" if it is unknown.

        Raises:
            Deny: (403) the user was deleted, may not log in, or is not the user for whom the token was issued.
            InvalidSetting: INSTANT_WINDOW_INFO_MIDDLEWARES is wrong.
        """
        request: Any = HttpRequest()
        given = {**(headers or {}), SENDER_HEADER: client}
        names = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items()}
        request.META = {**names, "REMOTE_ADDR": address}
        request.instant_window_key = str(meta.get("window") or "")
        request.user = user_named(user, meta) if user else AnonymousUser()
        if request.user is None or (user and not getattr(request.user, "is_active", True)):
            raise Deny(403, "this account is not active")
        info = cls.from_request(request)
        info.values["session"] = str(meta.get("session") or "")
        return info

    def to_dict(self) -> dict[str, Any]:
        """Return the info as JSON-serializable data for a queue.

        It contains only the id and the name of the user. All other data of the user are read from the database again.
        """
        return dict(self.values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowInfo:
        """Return the info from the data of `to_dict`. The user is read from the database when it is first used."""
        return cls(**values)

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the ids of the page's connections as a header, for `publish(…, exclude=window_info)`."""
        return {SENDER_HEADER: self.clients}

    @property
    def user(self) -> Any:
        """Return the user of the request or call. In a queue, read the user from the database.

        Return an AnonymousUser for a visitor, or if the user in the database was deleted or is not active.
        """
        if self._user is None:
            self._user = _read(self.user_id) or AnonymousUser()
        return self._user

    @user.setter
    def user(self, user: Any) -> None:
        is_known = user is not None and user.is_authenticated
        self.values["user_id"] = str(user.pk) if is_known else ""
        self.values["username"] = user.get_username() if is_known else ""
        self._user = user

    @property
    def user_pk(self) -> str | None:
        """Return `user_id`, or None for a visitor. df_websockets uses this name."""
        return self.user_id or None

    @property
    def is_refused(self) -> bool:
        """Report whether the user was deleted or is not active."""
        return bool(self.user_id) and not self.is_authenticated

    @property
    def is_authenticated(self) -> bool:
        return bool(self.user.is_authenticated and getattr(self.user, "is_active", True))

    @property
    def is_anonymous(self) -> bool:
        return not self.is_authenticated

    @property
    def is_staff(self) -> bool:
        return self.is_authenticated and bool(getattr(self.user, "is_staff", False))

    @property
    def is_superuser(self) -> bool:
        return self.is_authenticated and bool(getattr(self.user, "is_superuser", False))

    @property
    def permissions(self) -> frozenset[str]:
        """Return all permissions of the user, for example "app.codename"."""
        return frozenset(self.user.get_all_permissions()) if self.is_authenticated else frozenset()

    perms = permissions

    def has_perm(self, permission: str) -> bool:
        """Report whether the user has this permission."""
        return self.is_authenticated and bool(self.user.has_perm(permission))

    @contextmanager
    def activated(self) -> Iterator[None]:
        """Activate the window's language and time zone inside the block."""
        with ExitStack() as stack:
            if self.language and translation.check_for_language(self.language):
                stack.enter_context(translation.override(self.language))
            if self.time_zone:
                with suppress(LookupError, ValueError, OSError):  # the time zone is not known on this machine
                    stack.enter_context(timezone.override(self.time_zone))
            yield


class InfoMiddleware:
    """Base class of middlewares that set attributes of a WindowInfo.

    A middleware sets JSON-serializable values in `info.values`, with the names of the attributes as keys. Queued calls
    contain these values.
    """

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        """Set values from the request.

        For a call from a page, the request is not the one that Django received. It has only `META` with the forwarded
        headers and the address, `user`, and the window's key.
        """


def info_middlewares() -> tuple[InfoMiddleware, ...]:
    """Return the middlewares that set the attributes of a WindowInfo, in order.

    Raises:
        InvalidSetting: INSTANT_WINDOW_INFO_MIDDLEWARES is not a list of dotted paths, or a path cannot be imported.
    """
    own, old = conf.INSTANT_WINDOW_INFO_MIDDLEWARES, conf.WINDOW_INFO_MIDDLEWARES
    paths = own if own is not None else old if old is not None else MIDDLEWARES
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) for path in paths):
        raise InvalidSetting(f"INSTANT_WINDOW_INFO_MIDDLEWARES is {paths!r}; it must be a list of dotted paths.")
    return _made(tuple(paths))


@lru_cache(maxsize=16)
def _made(paths: Sequence[str]) -> tuple[InfoMiddleware, ...]:
    return tuple(imported("INSTANT_WINDOW_INFO_MIDDLEWARES", path)() for path in paths)


def _read(pk: str) -> Any:
    if not pk:
        return None
    try:
        user = get_user_model()._default_manager.filter(pk=pk).first()
    except (TypeError, ValueError, ValidationError):
        return None
    return user if user is not None and getattr(user, "is_active", True) else None
