"""Reading Centrifugo's config."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from instant.devserver.config import ConfigError, duration, load
from tests.devserver.servers import CONFIG

HISTORY = {"history_size": 1, "history_ttl": "60s"}


def channel(**options):
    return {"channel": {"namespaces": [{"name": "ns", **options}]}}


BROKEN = {
    "a short name": {"channel": {"namespaces": [{"name": "x"}]}},
    "a bad name": {"channel": {"namespaces": [{"name": "$x"}]}},
    "no name": {"channel": {"namespaces": [{}]}},
    "a name twice": {"channel": {"namespaces": [{"name": "ns"}, {"name": "ns"}]}},
    "size without ttl": channel(history_size=1),
    "ttl without size": channel(history_ttl="5s"),
    "a broken second": channel(history_size=1, history_ttl="1500ms"),
    "ttl over meta ttl": channel(**HISTORY, history_meta_ttl="5s"),
    "recovery without history": channel(force_recovery=True),
    "an unknown mode": channel(**HISTORY, force_recovery_mode="x"),
    "cache without recovery": channel(auto_cache_recover=True),
    "an unknown format": channel(publication_data_format="x"),
    "an unknown type": channel(subscription_type="x"),
    "a bad regex": channel(channel_regex="("),
    "a bad duration": channel(history_size=1, history_ttl="5 minutes"),
    "without_namespace": {"channel": {"without_namespace": {"history_size": 1}}},
    "no personal namespace": {
        "client": {"subscribe_to_user_personal_channel": {"enabled": True, "personal_channel_namespace": "nothing"}}
    },
    "a section of a wrong type": {"client": []},
    "an option of a wrong type": {"client": {"channel_limit": []}},
    "namespaces of a wrong type": {"channel": {"namespaces": 5}},
    "namespaces of a wrong type in rpc": {"rpc": {"namespaces": True}},
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("25s", 25), ("300ms", 0.3), ("1h30m", 5400), ("1.5h", 5400), ("0", 0), ("0s", 0), ("720h0m0s", 2592000)],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


def test_a_bare_number_is_nanoseconds():
    assert duration(5) == 5e-9


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5d", None, 1.5, True, [], "1s 2s"])
def test_no_durations(text):
    with pytest.raises(ConfigError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_configs(name):
    with pytest.raises(ConfigError, match=r"channel|client|rpc"):
        load(BROKEN[name])


@pytest.mark.parametrize("name", BROKEN)
def test_checkconfig_agrees(name, tmp_path):
    binary = shutil.which("centrifugo")
    if binary is None:
        pytest.skip("no centrifugo on PATH: only the devserver was tried")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(BROKEN[name]))
    assert subprocess.run([binary, "checkconfig", "-c", path], capture_output=True, check=False).returncode == 1


def test_ping_must_be_longer_than_pong():
    with pytest.raises(ConfigError, match="ping_interval"):
        load({"client": {"ping_interval": "5s", "pong_timeout": "5s"}})


@pytest.mark.parametrize("origins", [["http://[x"], ["}{"], ["[z-a]"], ["a\\"], 5, [5], True, {"a": 1}])
def test_bad_origin_patterns(origins):
    with pytest.raises(ConfigError, match="allowed_origins"):
        load({"client": {"allowed_origins": origins}})


def test_defaults():
    config = load({})
    assert (config.http_server.address, config.http_server.port) == ("127.0.0.1", 8000)
    assert (config.client.ping_interval, config.client.pong_timeout) == (25, 8)
    assert config.channel.private_prefix == "$"
    assert load({"http_server": {"address": ""}, "channel": {"private_prefix": ""}}) == config


def test_a_good_config_is_silent(caplog):
    load(CONFIG)
    assert caplog.text == ""


def test_centrifugos_own_defaults_are_silent(caplog):
    binary = shutil.which("centrifugo")
    if binary is None:
        pytest.skip("no centrifugo on PATH: only the devserver was tried")
    command = [binary, "defaultconfig", "--dry-run", "-c", "x.json"]
    load(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    assert caplog.text == ""


def test_unknown_keys_and_lacking_features_are_warned_of(caplog):
    load(
        {
            "log_level": "info",
            "client": {
                "foo": 1,
                "proxy": {"connect": {"endpoint": "http://localhost"}},
                "token": {"bar": 1, "rsa_public_key": "x"},
            },
            "channel": {"namespaces": [{"name": "ns", "baz": 1}], "without_namespace": {"qux": 1}},
            "engine": {"type": "redis"},
            "grpc_api": {"enabled": True},
            "http_server": {"internal_port": "9000"},
            "consumers": [{}],
            "rpc": {
                "proxy": {"endpoint": "grpc://localhost:1", "binary_encoding": True, "tix": 1},
                "ping": {"enabled": True},
            },
        }
    )
    for text in (
        "unknown key log_level",
        "unknown key client.foo",
        "unknown key client.token.bar",
        "unknown key channel.namespaces[ns].baz",
        "unknown key channel.without_namespace.qux",
        "engine.type is redis, but the devserver keeps everything in memory",
        "client.token.rsa_public_key",
        "grpc_api.enabled",
        "http_server.internal_port",
        "consumers",
        "rpc.proxy.endpoint is not an HTTP URL",
        "rpc.proxy.binary_encoding",
        "unknown key rpc.proxy.tix",
        "rpc.ping",
        "client.proxy.connect",
    ):
        assert text in caplog.text
