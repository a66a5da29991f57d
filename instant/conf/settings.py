"""The settings of django-instant: a typed class that reads a setting at each access, so override_settings works.

Use `from instant.conf import conf`, then `conf.CENTRIFUGO_PORT`. A setting that is missing in Django's settings has the
default given here. Keys that are not set are derived from SECRET_KEY, so no setting is required.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_type_hints
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.crypto import salted_hmac

from ..exceptions import InvalidSetting
from ..legacy.df_websockets_settings import DfWebsocketsSettings
from ..legacy.django_ws_settings import DjangoWsSettings
from ..legacy.version_0_1_settings import Version01Settings, deprecated_hmac_key
from ..secret_text import Secret
from . import tenant_settings, validation
from .settings_internals import read
from .validation import described, fits, for_message

#: Options of one Centrifugo namespace, by their names in the server's config.
NamespaceOptions = Mapping[str, Any]


class _Setting:
    """One setting. The code is short because it runs at each access, several times per message."""

    def __init__(self, name: str, default: Any, hint: Any) -> None:
        self.name, self.default, self.hint = name, default, hint
        self.checked = default

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self.default
        value = read(self.name, self.default)
        if value is not self.checked:
            if value is not self.default and not fits(value, self.hint):
                value = for_message(self.name, value)  # error pages show local variables
                raise InvalidSetting(f"{self.name} is {value}; it must be {described(self.hint)}.")
            self.checked = value
        return value


class Settings(Version01Settings, DfWebsocketsSettings, DjangoWsSettings):
    """Each attribute is the setting of the same name. Its annotation is checked at each access.

    Raises:
        InvalidSetting: the value has the wrong type or form; the text names the setting.
    """

    #: The tenant of this site, if several sites share a server: its name, a function that returns the name, or the
    #: dotted path of such a function. None: the site does not share the server.
    INSTANT_TENANT: Callable[[], Any] | str | None = None
    #: A context manager that receives the name of a tenant, or the dotted path of one. It is entered for work that does
    #: not belong to a request of that tenant, such as calls, sockets and tasks.
    INSTANT_TENANT_CONTEXT: Callable[[Any], Any] | str | None = None

    #: The address at which Django reaches the server: scheme and host. CENTRIFUGO_PORT is added, unless it is None.
    CENTRIFUGO_HOST: str = "http://localhost"
    CENTRIFUGO_PORT: int | None = 8427
    #: The key that signs tokens. Default: derived from SECRET_KEY.
    CENTRIFUGO_HMAC_KEY: str | None = None
    #: The key of the server's HTTP API. Default: derived from SECRET_KEY.
    CENTRIFUGO_API_KEY: str | None = None
    #: The server binary that runws starts. Default: `centrifugo/centrifugo` in BASE_DIR, then `centrifugo` on PATH.
    CENTRIFUGO_BINARY: str | Path | None = None

    #: The name of the site in each payload.
    SITE_NAME: str = "Site"
    #: A short name of the site, which separates the data of sites that share one Redis.
    SITE_SLUG: str = "site"

    #: "python", "thread", "go", "outbox", "console", "memory", or the dotted path of a backend class.
    INSTANT_BROADCAST_WITH: str = "python"
    #: Timeout of one publish in seconds, retries included.
    INSTANT_PUBLISH_TIMEOUT: float = 2.0
    #: The most messages per process to which the server has not responded, with "thread" and "go".
    INSTANT_QUEUE_SIZE: int = 100_000
    #: The most bytes of messages that the Go publisher holds in memory.
    INSTANT_GO_QUEUE: int = 64 * 1024 * 1024
    #: Seconds for which the Go publisher retries a message while the server is unreachable.
    INSTANT_GO_RETRY_FOR: float = 30.0
    #: The Go publisher's Unix socket. Default: one in a directory for temporary files, named after the settings.
    INSTANT_GO_SOCKET: str | Path | None = None
    #: The type of payloads: a JSON object, or a string that contains one (for the 4.x JavaScript client).
    INSTANT_PAYLOAD: Literal["object", "string"] = "object"

    #: Lifetime of a connection token in seconds. The client renews it.
    INSTANT_TOKEN_TTL: int = 30 * 60
    #: Seconds within which a channel token can be used to join.
    INSTANT_CHANNEL_TOKEN_TTL: int = 5 * 60
    #: Whether a channel token is valid on one connection only, so that a client with saved tokens cannot join again
    #: after a revocation. A namespace may override this setting with the option `strict`.
    INSTANT_STRICT: bool = False
    #: The user's id in Centrifugo (the `sub` claim): "pk", or "username" as in versions before 5.
    INSTANT_USER_ID: Literal["pk", "username"] = "pk"
    #: Whether visitors who are not logged in get tokens for the public channels.
    INSTANT_ALLOW_ANONYMOUS: bool = False

    #: The server's address for browsers. Default: the request's scheme and host name with CENTRIFUGO_PORT.
    INSTANT_WEBSOCKET_URL: str | None = None
    #: Namespaces of channels and their options. The name "" stands for channels without a namespace.
    INSTANT_NAMESPACES: Mapping[str, NamespaceOptions] = {}
    #: "memory", "redis://…" (also rediss, redis+sentinel, redis+cluster), "nats://…", or "postgresql://…". Several
    #: addresses are separated by commas.
    INSTANT_ENGINE: str = "memory"

    #: Channels and the pages that join them: `[["$name", ["/path/", …]], ["$other"]]`, see `instant.channels.declared`.
    INSTANT_SUPERUSER_CHANNELS: Sequence[Any] = ()
    INSTANT_STAFF_CHANNELS: Sequence[Any] = ()
    INSTANT_USERS_CHANNELS: Sequence[Any] = ()
    INSTANT_PUBLIC_CHANNELS: Sequence[Any] = ()
    #: Whether the page's JavaScript logs what it receives to the console. It never logs tokens.
    INSTANT_DEBUG: bool = False

    #: Whether an error in sending a model event is only logged. If False, the error is raised.
    INSTANT_EVENTS_FAIL_SILENTLY: bool = True

    #: The address at which the server reaches Django, for calls from browsers: scheme, host and port.
    INSTANT_BACKEND_URL: str = "http://localhost:8000"
    #: The secret with which the server authenticates its calls to Django. Default: derived from SECRET_KEY.
    INSTANT_PROXY_SECRET: str | None = None
    #: Seconds that the server waits for Django's reply to a call.
    INSTANT_PROXY_TIMEOUT: float = 3.0
    #: The most calls of one user, or of one connection of a visitor, "number/seconds". Each Django process counts
    #: separately. None: no limit.
    INSTANT_RPC_RATE: str | None = "100/10s"
    #: The most token requests of one session, in the form of INSTANT_RPC_RATE. Visitors without a session are
    #: counted per address, with ten times the limit.
    INSTANT_TOKEN_RATE: str | None = "600/60s"  # noqa: S105
    #: A function that returns the client's address from a request, or its dotted path. None: REMOTE_ADDR.
    INSTANT_CLIENT_ADDRESS: Callable[[Any], Any] | str | None = None
    #: The alias in CACHES of the cache that counts failed log-ins.
    INSTANT_THROTTLE_CACHE: str = "default"
    #: The most connections of one user at each node of the server. None or 0: no limit.
    INSTANT_USER_CONNECTIONS: int | None = 50

    #: Whether pages have windows, for signals and topics. None: only if the project registers a signal.
    INSTANT_WINDOWS: bool | None = None
    #: Dotted paths of the JSON encoder of signals, of the function that names topics, and of the middlewares of
    #: WindowInfo. Defaults: Django's encoder and ours. If these are not set, the settings of df_websockets
    #: are read.
    INSTANT_SIGNAL_ENCODER: str | None = None
    INSTANT_TOPIC_SERIALIZER: str | None = None
    INSTANT_WINDOW_INFO_MIDDLEWARES: Sequence[Any] | None = None
    #: The most topics of one page.
    INSTANT_MAX_TOPICS: int = 200

    #: Socket handlers: a mapping of names to dotted paths. WEBSOCKET_HANDLERS of django-ws is read, too.
    INSTANT_SOCKET_HANDLERS: Mapping[str, str] = {}
    #: The address at which the server reaches the socket worker, and the address at which the worker serves plain
    #: WebSockets. The devserver uses the second one.
    INSTANT_SOCKETS_URL: str = "grpc://127.0.0.1:8428"
    INSTANT_SOCKETS_BRIDGE: str = "http://127.0.0.1:8429"
    #: The most open sockets per process of the socket worker.
    INSTANT_SOCKETS_LIMIT: int = 10_000

    #: The number of partitions of the outbox. The server delivers partitions in parallel. All messages of a channel
    #: are in one partition.
    INSTANT_OUTBOX_PARTITIONS: int = 4
    #: The address of the outbox for the server: "postgresql://…". Default: built from DATABASES.
    INSTANT_OUTBOX_DSN: str | None = None

    @property
    def tenant(self) -> str:
        """The tenant of this thread or task, or "" if INSTANT_TENANT is not set."""
        return tenant_settings.tenant(self.INSTANT_TENANT) if self.INSTANT_TENANT else ""

    @property
    def hmac_key(self) -> str:
        """The key that signs tokens: CENTRIFUGO_HMAC_KEY, or a key derived from SECRET_KEY."""
        if self.CENTRIFUGO_HMAC_KEY:
            return Secret(self.CENTRIFUGO_HMAC_KEY)
        old = deprecated_hmac_key(self.CENTRIFUGO_SECRET_KEY)
        return Secret(old) if old else _derived("hmac", settings.SECRET_KEY)

    @property
    def previous_hmac_key(self) -> str | None:
        """The key of tokens that were signed before SECRET_KEY changed, or None.

        It is derived from the first of SECRET_KEY_FALLBACKS.
        """
        explicit = self.CENTRIFUGO_HMAC_KEY or self.CENTRIFUGO_SECRET_KEY
        if explicit or not settings.SECRET_KEY_FALLBACKS:
            return None
        return _derived("hmac", settings.SECRET_KEY_FALLBACKS[0])

    @property
    def api_key(self) -> str:
        """The key of the server's API: CENTRIFUGO_API_KEY, or a key derived from SECRET_KEY."""
        key = self.CENTRIFUGO_API_KEY
        return validation.for_header("CENTRIFUGO_API_KEY", key) if key else _derived("api", settings.SECRET_KEY)

    @property
    def backend_url(self) -> str:
        """INSTANT_BACKEND_URL, without a slash at the end."""
        return validation.backend_url(self.INSTANT_BACKEND_URL)

    @property
    def proxy_secret(self) -> str:
        """The secret of the server's calls to Django: INSTANT_PROXY_SECRET, or one derived from SECRET_KEY."""
        secret = self.INSTANT_PROXY_SECRET
        name = "INSTANT_PROXY_SECRET"
        return validation.for_header(name, secret) if secret else _derived("proxy", settings.SECRET_KEY)

    @property
    def proxy_secrets(self) -> list[str]:
        """`proxy_secret`, and the secrets of servers that were started before SECRET_KEY changed."""
        fallbacks = [] if self.INSTANT_PROXY_SECRET else settings.SECRET_KEY_FALLBACKS
        return [self.proxy_secret, *(_derived("proxy", key) for key in fallbacks)]

    @property
    def proxy_timeout(self) -> float:
        """INSTANT_PROXY_TIMEOUT in seconds, from 0.001 to 3600."""
        seconds = self.INSTANT_PROXY_TIMEOUT
        if not 0.001 <= seconds <= 3600:
            raise InvalidSetting(f"INSTANT_PROXY_TIMEOUT is {seconds}; it must be from 0.001 to 3600 seconds.")
        return seconds

    @property
    def rpc_rate(self) -> tuple[int, float] | None:
        """INSTANT_RPC_RATE as (calls, seconds), or None for no limit."""
        return validation.rate("INSTANT_RPC_RATE", self.INSTANT_RPC_RATE) if self.INSTANT_RPC_RATE else None

    @property
    def token_rate(self) -> tuple[int, float] | None:
        """INSTANT_TOKEN_RATE as (requests, seconds), or None for no limit."""
        return validation.rate("INSTANT_TOKEN_RATE", self.INSTANT_TOKEN_RATE) if self.INSTANT_TOKEN_RATE else None

    @property
    def user_connections(self) -> int:
        """INSTANT_USER_CONNECTIONS; 0 means no limit."""
        number = self.INSTANT_USER_CONNECTIONS or 0
        if number < 0:
            raise InvalidSetting(f"INSTANT_USER_CONNECTIONS is {number}; it must be at least 1, or None for no limit.")
        return number

    @property
    def socket_handlers(self) -> Mapping[str, str]:
        """WEBSOCKET_HANDLERS, overridden by INSTANT_SOCKET_HANDLERS."""
        old = self.WEBSOCKET_HANDLERS
        return {**old, **self.INSTANT_SOCKET_HANDLERS} if old else self.INSTANT_SOCKET_HANDLERS

    @property
    def sockets_url(self) -> str:
        """INSTANT_SOCKETS_URL, with host and port."""
        return validation.host_and_port("INSTANT_SOCKETS_URL", self.INSTANT_SOCKETS_URL, "grpc")

    @property
    def sockets_bridge(self) -> str:
        """INSTANT_SOCKETS_BRIDGE, with host and port."""
        return validation.host_and_port("INSTANT_SOCKETS_BRIDGE", self.INSTANT_SOCKETS_BRIDGE, "http")

    @property
    def sockets_limit(self) -> int:
        """INSTANT_SOCKETS_LIMIT, at least 1."""
        number = self.INSTANT_SOCKETS_LIMIT
        if number < 1:
            raise InvalidSetting(f"INSTANT_SOCKETS_LIMIT is {number}; it must be at least 1.")
        return number

    @property
    def outbox_partitions(self) -> int:
        """INSTANT_OUTBOX_PARTITIONS, at least 1."""
        number = self.INSTANT_OUTBOX_PARTITIONS
        if number < 1:
            raise InvalidSetting(f"INSTANT_OUTBOX_PARTITIONS is {number}; it must be at least 1.")
        return number

    @property
    def server_url(self) -> str:
        """The address at which Django reaches the server, without a trailing slash. A port in CENTRIFUGO_HOST takes
        precedence.
        """
        return validation.server_url(self.CENTRIFUGO_HOST, self.CENTRIFUGO_PORT)

    @property
    def server_port(self) -> int | None:
        """The port in `server_url`, or None. `runws` listens there; by default, browsers connect to the same port."""
        return urlsplit(self.server_url).port


@lru_cache(maxsize=16)
def _derived(purpose: str, secret: str | bytes) -> Secret:
    """Derive a separate key for each purpose: one derived key reveals neither the others nor SECRET_KEY."""
    return Secret(salted_hmac(f"instant.{purpose}", "centrifugo", secret=secret, algorithm="sha256").hexdigest())


for _name, _hint in get_type_hints(Settings).items():
    setattr(Settings, _name, _Setting(_name, getattr(Settings, _name), _hint))

conf = Settings()
