"""What the devserver uses of Centrifugo's v6 config, with the server's defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

Seconds = NewType("Seconds", float)


@dataclass(frozen=True)
class ChannelOptions:
    """Options of a namespace, or of `channel.without_namespace`."""

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
        """Both are needed: the server refuses a config with only one."""
        return self.history_size > 0 and self.history_ttl > 0

    @property
    def cache_mode(self) -> bool:
        """Recovery hands out the latest publication only."""
        return self.force_recovery_mode == "cache"

    @property
    def takes_streams(self) -> bool:
        """False for the map and shared poll types, which the devserver does not have."""
        return self.subscription_type in ("", "stream")


@dataclass(frozen=True)
class TokenOptions:
    """How tokens are verified."""

    hmac_secret_key: str = ""
    hmac_previous_secret_key: str = ""
    hmac_previous_secret_key_valid_until: int = 0
    audience: str = ""
    issuer: str = ""
    user_id_claim: str = ""


@dataclass(frozen=True)
class SubscriptionTokenOptions(TokenOptions):
    """Keys for subscription tokens alone, if they have their own."""

    enabled: bool = False


@dataclass(frozen=True)
class PersonalChannelOptions:
    """Subscribe each user to a channel of their own at connect."""

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
    """What is particular to a proxy's HTTP requests."""

    static_headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProxyOptions:
    """A backend that is asked, and how."""

    endpoint: str = ""
    timeout: Seconds = Seconds(1)
    include_connection_meta: bool = False
    http_headers: tuple[str, ...] = ()
    http: ProxyHttpOptions = field(default_factory=ProxyHttpOptions)


@dataclass(frozen=True)
class ChannelProxies:
    """The backends that subscribe commands are handed on to; the devserver has the one of streams."""

    subscribe_stream: ProxyOptions = field(default_factory=ProxyOptions)


@dataclass(frozen=True)
class ChannelSection:
    """The `channel` section but for its namespaces."""

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
    """Whether the methods of a namespace are handed on."""

    proxy_enabled: bool = False


@dataclass(frozen=True)
class RpcSection:
    """The `rpc` section but for its namespaces."""

    proxy: ProxyOptions = field(default_factory=ProxyOptions)
    without_namespace: RpcNamespaceOptions = field(default_factory=RpcNamespaceOptions)
    namespace_boundary: str = ":"


@dataclass(frozen=True)
class HttpServerOptions:
    """Where to listen. The devserver stays on this machine unless told otherwise."""

    address: str = "127.0.0.1"
    port: int = 8000


@dataclass(frozen=True)
class HttpApiOptions:
    """The server API."""

    key: str = ""
    error_mode: str = ""
    handler_prefix: str = "/api"
    disabled: bool = False
    insecure: bool = False


@dataclass(frozen=True)
class WebsocketOptions:
    """The WebSocket transport."""

    handler_prefix: str = "/connection/websocket"
    message_size_limit: int = 65536
    write_timeout: Seconds = Seconds(1)


@dataclass(frozen=True)
class HealthOptions:
    """GET /health."""

    enabled: bool = False
    handler_prefix: str = "/health"
