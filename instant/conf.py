"""The settings of django-instant: one typed class, read at each access, so that override_settings works.

`from instant.conf import conf`, then `conf.CENTRIFUGO_PORT`. A name that Django's settings lack has the default given
here; keys that are not set are derived from SECRET_KEY, so that the main job works with no settings at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.functional import empty

from .exceptions import InvalidSetting

#: Options of one Centrifugo namespace, by their names in the server's config.
NamespaceOptions = Mapping[str, Any]


#: Where `settings` keeps what it wraps: to ask `settings` itself, or for its attribute, takes six times as long.
_settings: dict[str, Any] = vars(settings)


class _Setting:
    """One setting. It is read at each access, some of them several times a message: so this is short."""

    def __init__(self, name: str, default: Any, hint: Any) -> None:
        self.name, self.default, self.hint = name, default, hint
        self.checked = default

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self.default
        wrapped = _settings["_wrapped"]
        value = getattr(settings if wrapped is empty else wrapped, self.name, self.default)
        if value is not self.checked:
            self.check(value)
        return value

    def check(self, value: object) -> None:
        if value is not self.default and not _fits(value, self.hint):
            shown = "wrong" if self.name.endswith(("_KEY", "_DSN")) else repr(value)
            raise InvalidSetting(f"{self.name} is {shown}; it must be {_described(self.hint)}.")
        self.checked = value


class Settings:
    """Each attribute is a setting of the same name; its annotation is checked when it is read.

    Raises:
        InvalidSetting: the value in Django's settings has another type; the text names the setting.
    """

    #: Where Django reaches the server: scheme and host; the port goes behind it, unless it is None.
    CENTRIFUGO_HOST: str = "http://localhost"
    CENTRIFUGO_PORT: int | None = 8427
    #: Signs the tokens. Default: derived from SECRET_KEY.
    CENTRIFUGO_HMAC_KEY: str | None = None
    #: Opens the server's HTTP API. Default: derived from SECRET_KEY.
    CENTRIFUGO_API_KEY: str | None = None
    #: The server binary that runws starts. Default: `centrifugo/centrifugo` in BASE_DIR, then the one on PATH.
    CENTRIFUGO_BINARY: str | Path | None = None
    #: The name of the HMAC key in version 0.1; deprecated.
    CENTRIFUGO_SECRET_KEY: str | None = None

    #: In each payload: which site a message comes from.
    SITE_NAME: str = "Site"
    SITE_SLUG: str = "site"

    #: "python", "thread", "go", "outbox", "console", "memory", or the dotted path of a backend class.
    INSTANT_BROADCAST_WITH: str = "python"
    #: Seconds that one publish may take in all, retries included.
    INSTANT_PUBLISH_TIMEOUT: float = 2.0
    #: Messages without an answer that one process may have, with "thread" and "go".
    INSTANT_QUEUE_SIZE: int = 100_000
    #: Bytes of messages that the Go publisher holds in memory at most.
    INSTANT_GO_QUEUE: int = 64 * 1024 * 1024
    #: Seconds that the Go publisher tries a message for while the server is away.
    INSTANT_GO_RETRY_FOR: float = 30.0
    #: The Go publisher's Unix socket. Default: one in the directory for temporary files, named after the settings.
    INSTANT_GO_SOCKET: str | Path | None = None
    #: What a payload is on the wire: a JSON object, or a string that holds one (for the 4.x JavaScript client).
    INSTANT_PAYLOAD: Literal["object", "string"] = "object"

    #: Seconds that a connection token is good for; the client renews it.
    INSTANT_TOKEN_TTL: int = 30 * 60
    #: Seconds in which a channel token can be used to join.
    INSTANT_CHANNEL_TOKEN_TTL: int = 5 * 60
    #: What names a user on the server: "pk", or "username" as in versions before 5.
    INSTANT_USER_ID: Literal["pk", "username"] = "pk"
    #: Whether visitors who are not logged in get tokens for the public channels.
    INSTANT_ALLOW_ANONYMOUS: bool = False

    #: The address that browsers use. Default: the request's scheme and host name with CENTRIFUGO_PORT.
    INSTANT_WEBSOCKET_URL: str | None = None
    #: Namespaces of channels and their options; the name "" holds for channels without one.
    INSTANT_NAMESPACES: Mapping[str, NamespaceOptions] = {}
    #: "memory", "redis://…" (also rediss and redis+sentinel), or "nats://…".
    INSTANT_ENGINE: str = "memory"

    #: Channels for pages: `[["$name", ["/path/", …]], ["$other"]]`, see `instant.declared`.
    INSTANT_SUPERUSER_CHANNELS: Sequence[Any] = ()
    INSTANT_STAFF_CHANNELS: Sequence[Any] = ()
    INSTANT_USERS_CHANNELS: Sequence[Any] = ()
    INSTANT_PUBLIC_CHANNELS: Sequence[Any] = ()
    #: Whether a message without a channel goes to INSTANT_PUBLIC_CHANNEL, as in version 0.1; deprecated.
    INSTANT_ENABLE_PUBLIC_CHANNEL: bool = False
    #: Default: SITE_SLUG with "_public" behind it.
    INSTANT_PUBLIC_CHANNEL: str | None = None
    #: Whether the page's JavaScript tells the console what comes, never a token.
    INSTANT_DEBUG: bool = False

    #: Whether a save goes on where its event cannot be sent, and the failure is logged; else it is raised.
    INSTANT_EVENTS_FAIL_SILENTLY: bool = True

    #: The outbox's parts, which the server delivers side by side; the messages of a channel are all in one.
    INSTANT_OUTBOX_PARTITIONS: int = 4
    #: Where the server finds the outbox: "postgresql://…". Default: made of DATABASES.
    INSTANT_OUTBOX_DSN: str | None = None

    @property
    def hmac_key(self) -> str:
        """The key that signs tokens: CENTRIFUGO_HMAC_KEY, else one derived from SECRET_KEY."""
        if self.CENTRIFUGO_HMAC_KEY:
            return self.CENTRIFUGO_HMAC_KEY
        if self.CENTRIFUGO_SECRET_KEY:
            warnings.warn(
                "CENTRIFUGO_SECRET_KEY is deprecated: rename it to CENTRIFUGO_HMAC_KEY.",
                DeprecationWarning,
                stacklevel=2,
            )
            return self.CENTRIFUGO_SECRET_KEY
        return _derived("hmac", settings.SECRET_KEY)

    @property
    def previous_hmac_key(self) -> str | None:
        """The key of tokens signed before SECRET_KEY was changed, from SECRET_KEY_FALLBACKS."""
        explicit = self.CENTRIFUGO_HMAC_KEY or self.CENTRIFUGO_SECRET_KEY
        if explicit or not settings.SECRET_KEY_FALLBACKS:
            return None
        return _derived("hmac", settings.SECRET_KEY_FALLBACKS[0])

    @property
    def api_key(self) -> str:
        """The key of the server's API: CENTRIFUGO_API_KEY, else one derived from SECRET_KEY."""
        key = self.CENTRIFUGO_API_KEY
        if not key:
            return _derived("api", settings.SECRET_KEY)
        if not (key.isascii() and key.isprintable()):
            raise InvalidSetting(
                "CENTRIFUGO_API_KEY has characters that no HTTP header can hold, as the end of a line; "
                "it must be printable ASCII."
            )
        return key

    @property
    def outbox_partitions(self) -> int:
        """INSTANT_OUTBOX_PARTITIONS, at least 1."""
        number = self.INSTANT_OUTBOX_PARTITIONS
        if number < 1:
            raise InvalidSetting(f"INSTANT_OUTBOX_PARTITIONS is {number}; it must be at least 1.")
        return number

    @property
    def server_url(self) -> str:
        """Where Django reaches the server, without a slash at the end. A port in the host wins."""
        return _joined(self.CENTRIFUGO_HOST, self.CENTRIFUGO_PORT)

    @property
    def server_port(self) -> int | None:
        """The port in `server_url`, where the server listens, and browsers reach it; None where there is none."""
        return urlsplit(self.server_url).port


@lru_cache(maxsize=16)
def _joined(host: str, port: int | None) -> str:
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
def _derived(purpose: str, secret: str | bytes) -> str:
    """A key of its own for each purpose: who learns one of them learns neither the others nor SECRET_KEY."""
    return salted_hmac(f"instant.{purpose}", "centrifugo", secret=secret, algorithm="sha256").hexdigest()


def _fits(value: object, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is Mapping:
        return isinstance(value, Mapping) and _fit(value, *get_args(hint))
    if origin is not None:
        return any(_fits(value, choice) for choice in get_args(hint))
    if hint in (int, float):
        numbers = (int, float) if hint is float else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    return hint is Any or isinstance(value, hint)


def _fit(items: Mapping[Any, Any], key_hint: Any, item_hint: Any) -> bool:
    return all(_fits(key, key_hint) and _fits(item, item_hint) for key, item in items.items())


def _described(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(repr(choice) for choice in get_args(hint))
    if get_origin(hint) is Mapping:
        item_hint = get_args(hint)[1]
        inner = "" if item_hint is Any else f", of a name to {_described(item_hint)}"
        return f"a mapping{inner}"
    if get_origin(hint) is not None:
        return " or ".join(_described(choice) for choice in get_args(hint))
    return "None" if hint is type(None) else f"of type {hint.__name__}"


for _name, _hint in get_type_hints(Settings).items():
    setattr(Settings, _name, _Setting(_name, getattr(Settings, _name), _hint))

conf = Settings()
