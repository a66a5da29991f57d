"""The keys of Centrifugo v6.9's config: those that the devserver uses, ignores silently, or does not support."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from instant.devserver import config_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECTIONS: Final = """
    http_server log engine broker presence_manager map_broker controller shared_poll client channel rpc
    proxies http_api grpc_api consumers websocket sse http_stream webtransport uni_websocket uni_sse
    uni_http_stream uni_grpc emulation admin prometheus health swagger debug init opentelemetry graphite
    usage_stats node shutdown pid_file enable_unreleased_features
"""

#: Keys that Centrifugo knows and the devserver ignores, by section.
_IGNORED: Final = {
    "http_server": """
        internal_address internal_port tls tls_autocert tls_external internal_tls http3 h2c_external
    """,
    "http_api": "external",
    "websocket": """
        disabled compression compression_min_size compression_level read_buffer_size use_write_buffer_pool
        write_buffer_size decompressed_message_size_limit
    """,
    "client": """
        proxy channel_position_check_delay channel_position_max_time_lag connection_rate_limit
        user_id_http_header connect_code_to_unidirectional_disconnect
    """,
    "client.token": """
        rsa_public_key ecdsa_public_key jwks_public_endpoint audience_regex issuer_regex
        insecure_skip_jwks_endpoint_safety_check
    """,
    "channel": "proxy namespaces",
    "rpc": "namespaces ping",
    "rpc.proxy": "grpc_metadata emulated_headers binary_encoding grpc",
    "rpc.namespace": "name proxy_name",
    "namespace": """
        name map_clients_presence_channel_prefix map_users_presence_channel_prefix allowed_delta_types
        allow_tags_filter delta_publish subscribe_proxy_name publish_proxy_name sub_refresh_proxy_name
        subscribe_stream_proxy_name map shared_poll
    """,
}

#: Repeats `stream_proxy.BRIDGE_HEADER`, because importing that module also imports aiohttp.
_BRIDGE: Final = "X-Instant-Bridge"

_USED: Final[Mapping[str, type[Any]]] = {
    "http_server": config_options.HttpServerOptions,
    "http_api": config_options.HttpApiOptions,
    "websocket": config_options.WebsocketOptions,
    "health": config_options.HealthOptions,
    "client": config_options.ClientOptions,
    "client.token": config_options.SubscriptionTokenOptions,
    "channel": config_options.ChannelSection,
    "rpc": config_options.RpcSection,
    "rpc.proxy": config_options.ProxyOptions,
    "rpc.namespace": config_options.RpcNamespaceOptions,
    "namespace": config_options.ChannelOptions,
}

#: Keys for features that the devserver does not have.
_LACKING: Final = {
    ("http_server", "internal_port"): "the devserver serves everything on http_server.port",
    ("http_server", "tls"): "the devserver speaks plain HTTP only",
    ("client", "user_id_http_header"): "the devserver does not read the user's id from a header",
    ("client", "connection_rate_limit"): "the devserver does not limit the rate of connections",
    ("rpc", "ping"): "the devserver has no built-in ping method",
    ("grpc_api", "enabled"): "the devserver has no gRPC API",
    ("websocket", "disabled"): "the devserver supports WebSocket only",
    ("uni_websocket", "enabled"): "the devserver has no unidirectional transports",
    ("uni_sse", "enabled"): "the devserver has no unidirectional transports",
    ("sse", "enabled"): "the devserver supports WebSocket only",
    ("http_stream", "enabled"): "the devserver supports WebSocket only",
    ("admin", "enabled"): "the devserver has no admin page",
    ("prometheus", "enabled"): "the devserver has no metrics",
}


def warnings(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning for each key that Centrifugo does not know or the devserver does not support."""
    yield from (f"unknown key {name} in the config" for name in raw if name not in _SECTIONS.split())
    yield from (f"unknown key {path} in the config" for path in _unknown(raw))
    yield from (
        f"{section}.{name} is set, but {text}"
        for (section, name), text in _LACKING.items()
        if _enabled(_object(raw, section).get(name))
    )
    yield from _engines(raw)
    yield from _proxies(raw)


def _unknown(raw: Mapping[str, Any]) -> Iterator[str]:
    client, channel = _object(raw, "client"), _object(raw, "channel")
    parts: list[tuple[str, str, Mapping[str, Any]]] = [
        (name, name, _object(raw, name)) for name in _USED if "." not in name and name != "namespace"
    ]
    for name in ("token", "subscription_token"):
        parts.append((f"client.{name}", "client.token", _object(client, name)))
    parts.append(("channel.without_namespace", "namespace", _object(channel, "without_namespace")))
    parts.extend(_namespaces(channel, "channel", "namespace"))
    rpc = _object(raw, "rpc")
    parts.append(("rpc.proxy", "rpc.proxy", _object(rpc, "proxy")))
    parts.append(("rpc.without_namespace", "rpc.namespace", _object(rpc, "without_namespace")))
    parts.extend(_namespaces(rpc, "rpc", "rpc.namespace"))
    for path, kind, keys in parts:
        names = {field.name for field in fields(_USED[kind])} | set(_IGNORED.get(kind, "").split())
        yield from (f"{path}.{key}" for key in keys if key not in names)


def _namespaces(section: Mapping[str, Any], name: str, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    items = section.get("namespaces")
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            yield f"{name}.namespaces[{item.get('name')}]", kind, item


def _engines(raw: Mapping[str, Any]) -> Iterator[str]:
    for section in ("engine", "broker", "presence_manager"):
        kind = _object(raw, section).get("type") or "memory"
        if kind != "memory":
            yield f"{section}.type is {kind}, but the devserver keeps everything in memory, on one node"
    token = _object(_object(raw, "client"), "token")
    for key in ("rsa_public_key", "ecdsa_public_key", "jwks_public_endpoint"):
        if token.get(key):
            yield f"client.token.{key} is set, but the devserver verifies HMAC tokens only"
    if raw.get("consumers"):
        yield "consumers are configured, but the devserver does not run them"


def _proxies(raw: Mapping[str, Any]) -> Iterator[str]:
    client, channel = _object(_object(raw, "client"), "proxy"), _object(_object(raw, "channel"), "proxy")
    proxies = {f"client.proxy.{name}": client for name in client}
    proxies.update({f"channel.proxy.{name}": channel for name in channel})
    for path, section in proxies.items():
        proxy = _object(section, path.rpartition(".")[2])
        # `stream_proxy` serves the socket streams of a proxy that has a bridge.
        has_bridge = _BRIDGE in _object(_object(proxy, "http"), "static_headers") and path.endswith(".subscribe_stream")
        if proxy.get("endpoint") and not has_bridge:
            yield f"{path} is configured, but the devserver does not call this proxy"
    rpc = _object(_object(raw, "rpc"), "proxy")
    if rpc.get("endpoint") and not str(rpc["endpoint"]).startswith(("http://", "https://")):
        yield "rpc.proxy.endpoint is not an HTTP URL, but the devserver calls backends by HTTP only"
    for key in ("emulated_headers", "binary_encoding"):
        if rpc.get(key):
            yield f"rpc.proxy.{key} is set, but the devserver does not support it"


def _enabled(value: Any) -> bool:
    return bool(value.get("enabled")) if isinstance(value, dict) else bool(value)


def _object(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}
