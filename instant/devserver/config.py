"""Read Centrifugo's v6 config. It accepts the same keys and durations as `centrifugo checkconfig`, and refuses the same
values.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import typing
from typing import TYPE_CHECKING, Any, TypeVar

from instant.devserver import known_keys
from instant.devserver.config_options import (
    ChannelOptions,
    ChannelSection,
    ClientOptions,
    HealthOptions,
    HttpApiOptions,
    HttpServerOptions,
    RpcNamespaceOptions,
    RpcSection,
    Seconds,
    WebsocketOptions,
)
from instant.devserver.globs import compile_glob
from instant.protocol import NAMESPACE_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")
logger = logging.getLogger("instant.devserver")

_DURATION = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_FORMATS = ("", "json", "json_object", "binary")
_TYPES = ("", "stream", "map", "map_clients", "map_users", "shared_poll")
_NAMESPACE = re.compile(NAMESPACE_PATTERN)


class ConfigError(ValueError):
    """The config has a value that Centrifugo would refuse, too. The text names the key."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A config that was read and checked."""

    http_server: HttpServerOptions
    http_api: HttpApiOptions
    client: ClientOptions
    channel: ChannelSection
    namespaces: Mapping[str, ChannelOptions]
    rpc: RpcSection
    rpc_namespaces: Mapping[str, RpcNamespaceOptions]
    websocket: WebsocketOptions
    health: HealthOptions


def load(raw: Mapping[str, Any]) -> Config:
    """Read and check a config. Unknown keys, and features that the devserver does not have, are logged as warnings.

    Raises:
        ConfigError: Centrifugo would refuse the config.
    """
    for warning in known_keys.warnings(raw):
        logger.warning(warning)
    section, rpc = _section(raw, "channel"), _section(raw, "rpc")
    channel = _read(ChannelSection, section, "channel")
    config = Config(
        http_server=_read(HttpServerOptions, _section(raw, "http_server"), "http_server"),
        http_api=_read(HttpApiOptions, _section(raw, "http_api"), "http_api"),
        client=_read(ClientOptions, _section(raw, "client"), "client"),
        channel=channel,
        namespaces=dict(_namespaces(section, channel)),
        rpc=_read(RpcSection, rpc, "rpc"),
        rpc_namespaces={item["name"]: _read(RpcNamespaceOptions, item, path) for path, item in _named(rpc, "rpc")},
        websocket=_read(WebsocketOptions, _section(raw, "websocket"), "websocket"),
        health=_read(HealthOptions, _section(raw, "health"), "health"),
    )
    _check_options(channel.without_namespace, channel, "channel.without_namespace")
    _check_client(config)
    return config


def duration(value: object, path: str = "duration") -> Seconds:
    """Return a Go duration such as "1h30m" or "300ms" in seconds. As in Centrifugo, a bare integer is nanoseconds.

    Raises:
        ConfigError: the value is not a duration.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return Seconds(value / 1e9)
    if value == "0":
        return Seconds(0)
    if not isinstance(value, str) or not re.fullmatch(f"(?:{_DURATION.pattern})+", value):
        raise ConfigError(f'{path}: {value!r} is not a duration; write it like "5s", "300ms" or "1h30m"')
    parts = (re.match(r"(.*?)([a-zµμ]+)$", part) for part in _DURATION.findall(value))
    return Seconds(sum(float(part[1]) * _UNITS[part[2]] for part in parts if part))


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = raw.get(name)
    if section is not None and not isinstance(section, dict):
        raise ConfigError(f"{name} must be an object")
    return section or {}


def _read(cls: type[T], raw: Mapping[str, Any], path: str) -> T:
    """Create an options class from its keys in `raw`. As in Centrifugo, an empty string selects the default."""
    hints = typing.get_type_hints(cls)
    values = {
        name: _value(hint, raw[name], f"{path}.{name}")
        for name, hint in hints.items()
        if raw.get(name) is not None and raw[name] != ""
    }
    return cls(**values)


def _value(hint: Any, value: Any, path: str) -> Any:
    if hint is Seconds:
        return duration(value, path)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{path} must be an object")
        return _read(typing.cast("type[Any]", hint), value, path)
    if hint == tuple[str, ...]:
        return _strings(value, path)
    if hint == dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise ConfigError(f"{path} must be an object whose values are strings")
        return value
    # True is not a number. Subclasses of str are accepted, such as `secret_text.Secret`.
    if type(value) is not hint and not (hint is str and isinstance(value, str)):
        raise ConfigError(f"{path}: {value!r} is not of type {hint.__name__}")
    return value


def _strings(value: Any, path: str) -> tuple[str, ...]:
    # Centrifugo also accepts a single string, as one pattern.
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(item, str) for item in values):
        raise ConfigError(f"{path} must be a list of strings")
    for item in values:
        try:
            compile_glob(item)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error
    return tuple(values)


def _namespaces(section: Mapping[str, Any], channel: ChannelSection) -> Iterator[tuple[str, ChannelOptions]]:
    for path, item in _named(section, "channel"):
        options = _read(ChannelOptions, item, path)
        _check_options(options, channel, path)
        yield item["name"], options


def _named(section: Mapping[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the namespaces of a section, each with its path in the config."""
    seen = set()
    namespaces = section.get("namespaces") or []
    if not isinstance(namespaces, (list, tuple)):
        raise ConfigError(f"{kind}.namespaces must be a list of objects")
    for item in namespaces:
        name = item.get("name", "") if isinstance(item, dict) else item
        path = f"{kind}.namespaces[{name}]"
        if not isinstance(item, dict) or not isinstance(name, str) or not _NAMESPACE.fullmatch(name):
            raise ConfigError(f"{path}: the name of a namespace must match {_NAMESPACE.pattern}")
        if name in seen:
            raise ConfigError(f"{path}: two namespaces have this name")
        seen.add(name)
        yield path, item


def _check_options(options: ChannelOptions, channel: ChannelSection, path: str) -> None:
    o, meta_ttl = options, options.history_meta_ttl or channel.history_meta_ttl
    proxies = o.subscribe_proxy_enabled or o.publish_proxy_enabled or o.sub_refresh_proxy_enabled
    rules = {
        "history_size and history_ttl must be set together": bool(o.history_size) == bool(o.history_ttl),
        "history_ttl and history_meta_ttl must be whole seconds": not (o.history_ttl % 1 or meta_ttl % 1),
        "history_ttl must not be longer than history_meta_ttl": o.history_ttl <= meta_ttl,
        "force_recovery needs history_size and history_ttl": not o.force_recovery or o.has_history,
        "auto_cache_recover needs force_recovery with force_recovery_mode cache": not o.auto_cache_recover
        or (o.force_recovery and o.cache_mode),
        "force_recovery_mode must be stream or cache": o.force_recovery_mode in ("", "stream", "cache"),
        "publication_data_format must be json, json_object or binary": o.publication_data_format in _FORMATS,
        "a namespace with a stream proxy cannot have subscribe, publish or sub_refresh proxies": not proxies
        or not o.subscribe_stream_proxy_enabled,
        f"subscription_type {o.subscription_type!r} is unknown": o.subscription_type in _TYPES,
        f"channel_regex {o.channel_regex!r} is not a regular expression": _is_regex(o.channel_regex),
    }
    for text, kept in rules.items():
        if not kept:
            raise ConfigError(f"{path}: {text}")


def _is_regex(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _check_client(config: Config) -> None:
    client, personal = config.client, config.client.subscribe_to_user_personal_channel
    if client.ping_interval > 0 and client.ping_interval <= client.pong_timeout:
        raise ConfigError("client.ping_interval must be longer than client.pong_timeout")
    namespace = personal.personal_channel_namespace
    if personal.enabled and namespace and namespace not in config.namespaces:
        raise ConfigError(f"client.subscribe_to_user_personal_channel: there is no namespace {namespace!r}")
