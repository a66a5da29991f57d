"""Renders the server's config (Centrifugo v6 layout) from Django's settings. There is no other source for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from corsheaders.conf import conf as cors
from django.conf import settings

from ..channels.namespaces import STRICT, namespaces, reserved
from ..conf.settings import NamespaceOptions, conf
from ..exceptions import InvalidSetting
from ..protocol import NAMESPACE_PATTERN, SOCKETS_NAMESPACE
from . import engine, outbox_config, rpc_config, stream_config

#: Default options of every namespace; INSTANT_NAMESPACES overrides them. With history, clients recover missed messages.
#: With presence, Django knows who is subscribed, so a revocation reaches only those users.
DEFAULTS: Mapping[str, Any] = {"presence": True, "history_size": 300, "history_ttl": "600s", "force_recovery": True}

#: The namespace options of Centrifugo 6.9. The server ignores unknown options with only a warning in its log.
NAMESPACE_OPTIONS = frozenset(
    {
        *("presence", "join_leave", "force_push_join_leave"),
        *("history_size", "history_ttl", "history_meta_ttl"),
        *("force_positioning", "allow_positioning", "force_recovery", "allow_recovery"),
        *("force_recovery_mode", "auto_cache_recover", "allowed_delta_types", "delta_publish", "allow_tags_filter"),
        *("allow_subscribe_for_anonymous", "allow_subscribe_for_client"),
        *("allow_publish_for_anonymous", "allow_publish_for_subscriber", "allow_publish_for_client"),
        *("allow_presence_for_anonymous", "allow_presence_for_subscriber", "allow_presence_for_client"),
        *("allow_history_for_anonymous", "allow_history_for_subscriber", "allow_history_for_client"),
        *("allow_user_limited_channels", "channel_regex", "publication_data_format"),
        *("subscribe_proxy_enabled", "subscribe_proxy_name", "publish_proxy_enabled", "publish_proxy_name"),
        *("sub_refresh_proxy_enabled", "sub_refresh_proxy_name"),
        *("subscribe_stream_proxy_enabled", "subscribe_stream_proxy_name", "subscribe_stream_proxy_bidirectional"),
        *("subscription_type", "map", "shared_poll"),
    }
)
#: Maximum number of channels of one connection, and of one request for tokens.
CHANNEL_LIMIT = 1_024
_DURATIONS = frozenset({"history_ttl", "history_meta_ttl"})
_OF_HISTORY = ("history_", "force_recovery", "force_positioning", "allow_recovery", "allow_positioning", "auto_cache")
_DURATION = re.compile(r"([0-9]+(ms|s|m|h))+")
_NAMESPACE = re.compile(NAMESPACE_PATTERN)


def render(*, address: str = "127.0.0.1", port: int | None = None, consumers: bool = True) -> dict[str, Any]:
    """Return the server's config for the current settings, ready to be written as JSON.

    Pass `consumers=False` for a server without consumers, such as the devserver.

    Raises:
        InvalidSetting: the server would refuse a setting, or silently misread it.
    """
    token = {"hmac_secret_key": conf.hmac_key}
    if conf.previous_hmac_key:
        token["hmac_previous_secret_key"] = conf.previous_hmac_key
    rendered = {name: _options(name, options) for name, options in namespaces().items()}
    return {
        "http_server": {"address": address, "port": port or conf.server_port or 8427},
        "log": {"level": "info"},
        "client": {
            "allowed_origins": allowed_origins(),
            "token": token,
            # With 0, a slow call would delay the client's pong, and the server would close the connection.
            "concurrency": 8,
            "channel_limit": CHANNEL_LIMIT,
            # The limit of each server node. Visitors, whose user is "", are not limited by the server.
            "user_connection_limit": conf.user_connections,
            "recovery_max_publication_limit": _longest_history(rendered.values()),
        },
        "http_api": {"key": conf.api_key},
        "health": {"enabled": True},
        "channel": {
            # Any other format would close the connections of clients that receive it.
            "publication_data_format": "json",
            "without_namespace": rendered[""],
            "namespaces": [
                *({"name": _namespace(name), **options} for name, options in rendered.items() if name),
                *([stream_config.namespace()] if stream_config.is_used() else []),
            ],
            **({"proxy": stream_config.proxy()} if stream_config.is_used() else {}),
        },
        **({"rpc": rpc_config.render()} if rpc_config.is_used() else {}),
        "usage_stats": {"disabled": True},
        **({"consumers": outbox_config.render()} if consumers and outbox_config.is_used() else {}),
        **engine.render(),
    }


def _namespace(name: str) -> str:
    if not _NAMESPACE.fullmatch(name):
        raise InvalidSetting(
            f"INSTANT_NAMESPACES: {name!r} is not a valid namespace. A name has at least two of A-Z a-z 0-9 - _ ."
        )
    if name == SOCKETS_NAMESPACE:
        raise InvalidSetting(f"INSTANT_NAMESPACES: {name!r} is reserved for WebSocket handlers. Choose another name.")
    if name in reserved() and name in conf.INSTANT_NAMESPACES:
        raise InvalidSetting(
            f"INSTANT_NAMESPACES: {name!r} is reserved for the channels of pages, because the project uses signals. "
            "Choose another name."
        )
    return name


def _options(name: str, options: NamespaceOptions) -> dict[str, Any]:
    _check_options(name, options)
    options = {key: value for key, value in options.items() if key != STRICT}
    if not engine.has_history():
        return {key: value for key, value in options.items() if not key.startswith(_OF_HISTORY)}
    merged = {**DEFAULTS, **options}
    if not merged["history_size"]:
        # Without history the server refuses recovery, and it refuses a lifetime without a size.
        for key in ("history_ttl", "force_recovery"):
            if key not in options:
                del merged[key]
    return merged


def _check_options(name: str, options: NamespaceOptions) -> None:
    setting = f"INSTANT_NAMESPACES[{name!r}]"
    if not isinstance(options.get(STRICT, False), bool):
        raise InvalidSetting(f"{setting}: strict is {options[STRICT]!r}; it must be True or False.")
    unknown = sorted(set(options) - NAMESPACE_OPTIONS - {STRICT})
    if unknown:
        raise InvalidSetting(f"{setting}: Centrifugo 6 has no option {', '.join(unknown)}.")
    for key in _DURATIONS & set(options):
        if not isinstance(options[key], str) or not _DURATION.fullmatch(options[key]):
            raise InvalidSetting(f'{setting}: {key} is {options[key]!r}; it must be text with a unit, such as "600s".')


def _longest_history(namespaces: Iterable[NamespaceOptions]) -> int:
    """Return the maximum number of messages that the server returns in one recovery.

    A longer history than this limit (the server's default is 300) would be kept but never recovered.
    """
    sizes = [options.get("history_size") for options in namespaces]
    return max([300, *(size for size in sizes if isinstance(size, int))])


def allowed_origins() -> list[str]:
    """Return the origins whose pages may connect, as glob patterns without duplicates in a stable order.

    They come from CORS_ALLOWED_ORIGINS, CSRF_TRUSTED_ORIGINS and ALLOWED_HOSTS, and include localhost if DEBUG is True.
    """
    if getattr(cors, "CORS_ALLOW_ALL_ORIGINS", False) or "*" in settings.ALLOWED_HOSTS:
        return ["*"]
    hosts = list(settings.ALLOWED_HOSTS)
    if settings.DEBUG:
        hosts += ["localhost", "127.0.0.1", "[::1]"]
    origins = [_pattern(str(origin)) for origin in cors.CORS_ALLOWED_ORIGINS]
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        origins += _trusted(origin)
    for host in hosts:
        origins += _of_host(host)
    return list(dict.fromkeys(origins))


def _of_host(host: str) -> Iterable[str]:
    """Yield the origins of an entry of ALLOWED_HOSTS.

    Django compares hosts without the port, so any port matches. `.example.org` is the domain and its subdomains.
    """
    names = [host.removeprefix("."), f"*{host}"] if host.startswith(".") else [host]
    for name in names:
        for scheme in ("http", "https"):
            yield _pattern(f"{scheme}://{name}")
            yield _pattern(f"{scheme}://{name}:*")


def _trusted(origin: str) -> Iterable[str]:
    """Yield the origins of an entry of CSRF_TRUSTED_ORIGINS.

    For Django `https://*.example.org` includes example.org itself; for the server it does not.
    """
    if "://*." in origin:
        yield _pattern(origin.replace("://*.", "://", 1))
    yield _pattern(origin)


def _pattern(origin: str) -> str:
    """Return the origin as a glob pattern, in which the brackets of [::1] must be escaped."""
    return origin.lower().replace("[", "\\[").replace("]", "\\]")
