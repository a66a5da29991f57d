"""The options of Centrifugo's v6 config that the devserver uses, with Centrifugo's defaults.

Sizes are in bytes. Durations are `Seconds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

Seconds = NewType("Seconds", float)


@dataclass(frozen=True)
class ChannelOptions:
    """The options of a namespace, or of `channel.without_namespace`."""

    presence: bool = False
    join_leave: bool = False
    force_push_join_leave: bool = False
    history_size: int = 0
    history_ttl: Seconds = Seconds(0)
    history_meta_ttl: Seconds = Seconds(0)
    force_positioning: bool = False
    allow_positioning: bool = False
    force_recovery: bool = False
    allow_recovery: bool = False
    force_recovery_mode: str = ""
    auto_cache_recover: bool = False
    allow_subscribe_for_client: bool = False
    allow_subscribe_for_anonymous: bool = False
    allow_publish_for_client: bool = False
    allow_publish_for_subscriber: bool = False
    allow_publish_for_anonymous: bool = False
    allow_history_for_client: bool = False
    allow_history_for_subscriber: bool = False
    allow_history_for_anonymous: bool = False
    allow_presence_for_client: bool = False
    allow_presence_for_subscriber: bool = False
    allow_presence_for_anonymous: bool = False
    allow_user_limited_channels: bool = False
    channel_regex: str = ""
    publication_data_format: str = ""
    subscription_type: str = ""
    subscribe_proxy_enabled: bool = False
    publish_proxy_enabled: bool = False
    sub_refresh_proxy_enabled: bool = False
    subscribe_stream_proxy_enabled: bool = False
    subscribe_stream_proxy_bidirectional: bool = False

    @property
    def has_history(self) -> bool:
        """Whether publications are kept. Centrifugo refuses a config that sets only one of the two options."""
        return self.history_size > 0 and self.history_ttl > 0

    @property
    def cache_mode(self) -> bool:
        """Whether recovery returns only the latest publication."""
        return self.force_recovery_mode == "cache"

    @property
    def takes_streams(self) -> bool:
        """Whether clients can subscribe. The devserver does not have the map and shared poll types."""
        return self.subscription_type in ("", "stream")


@dataclass(frozen=True)
class TokenOptions:
    """How tokens are verified.

    `hmac_previous_secret_key_valid_until` is in Unix time; 0 means no limit.
    """

    hmac_secret_key: str = ""
    hmac_previous_secret_key: str = ""
    hmac_previous_secret_key_valid_until: int = 0
    audience: str = ""
    issuer: str = ""
    user_id_claim: str = ""


@dataclass(frozen=True)
class SubscriptionTokenOptions(TokenOptions):
    """How subscription tokens are verified, if they have keys of their own."""

    enabled: bool = False


@dataclass(frozen=True)
class PersonalChannelOptions:
    """Whether each user who connects is subscribed to a personal channel."""

    enabled: bool = False
    personal_channel_namespace: str = ""
    single_connection: bool = False


@dataclass(frozen=True)
class ClientOptions:
    """The `client` section."""

    allowed_origins: tuple[str, ...] = ()
    token: TokenOptions = field(default_factory=TokenOptions)
    subscription_token: SubscriptionTokenOptions = field(default_factory=SubscriptionTokenOptions)
    allow_anonymous_connect_without_token: bool = False
    disallow_anonymous_connection_tokens: bool = False
    ping_interval: Seconds = Seconds(25)
    pong_timeout: Seconds = Seconds(8)
    expired_close_delay: Seconds = Seconds(25)
    expired_sub_close_delay: Seconds = Seconds(25)
    stale_close_delay: Seconds = Seconds(10)
    presence_update_interval: Seconds = Seconds(27)
    concurrency: int = 0
    channel_limit: int = 128
    queue_max_size: int = 1048576
    connection_limit: int = 0
    user_connection_limit: int = 0
    history_max_publication_limit: int = 300
    recovery_max_publication_limit: int = 300
    connect_include_server_time: bool = False
    insecure: bool = False
    insecure_skip_token_signature_verify: bool = False
    subscribe_to_user_personal_channel: PersonalChannelOptions = field(default_factory=PersonalChannelOptions)


@dataclass(frozen=True)
class ProxyHttpOptions:
    """Options for the HTTP requests of a proxy."""

    static_headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProxyOptions:
    """A backend that Centrifugo calls, and how."""

    endpoint: str = ""
    timeout: Seconds = Seconds(1)
    include_connection_meta: bool = False
    http_headers: tuple[str, ...] = ()
    http: ProxyHttpOptions = field(default_factory=ProxyHttpOptions)


@dataclass(frozen=True)
class ChannelProxies:
    """Proxies of channels. The devserver has the one for streams."""

    subscribe_stream: ProxyOptions = field(default_factory=ProxyOptions)


@dataclass(frozen=True)
class ChannelSection:
    """The `channel` section without its namespaces."""

    proxy: ChannelProxies = field(default_factory=ChannelProxies)
    without_namespace: ChannelOptions = field(default_factory=ChannelOptions)
    history_meta_ttl: Seconds = Seconds(720 * 3600)
    publication_data_format: str = ""
    max_length: int = 255
    private_prefix: str = "$"
    namespace_boundary: str = ":"
    user_boundary: str = "#"
    user_separator: str = ","


@dataclass(frozen=True)
class RpcNamespaceOptions:
    """Whether the methods of a namespace are forwarded to the backend."""

    proxy_enabled: bool = False


@dataclass(frozen=True)
class RpcSection:
    """The `rpc` section without its namespaces."""

    proxy: ProxyOptions = field(default_factory=ProxyOptions)
    without_namespace: RpcNamespaceOptions = field(default_factory=RpcNamespaceOptions)
    namespace_boundary: str = ":"


@dataclass(frozen=True)
class HttpServerOptions:
    """Where the server listens. By default, the devserver accepts connections from this machine only."""

    address: str = "127.0.0.1"
    port: int = 8000


@dataclass(frozen=True)
class HttpApiOptions:
    """The `http_api` section."""

    key: str = ""
    error_mode: str = ""
    handler_prefix: str = "/api"
    disabled: bool = False
    insecure: bool = False


@dataclass(frozen=True)
class WebsocketOptions:
    """The `websocket` section."""

    handler_prefix: str = "/connection/websocket"
    message_size_limit: int = 65536
    write_timeout: Seconds = Seconds(1)


@dataclass(frozen=True)
class HealthOptions:
    """The `health` section: whether `GET /health` is answered."""

    enabled: bool = False
    handler_prefix: str = "/health"
