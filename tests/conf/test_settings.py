"""The settings: read at each access, checked by their types, keys derived where none is set."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings
from pytest_django import Settings as Wrapper

from instant.conf import Settings, conf
from instant.exceptions import InvalidSetting

NAMES = [name for name in vars(Settings) if name.isupper()]


@pytest.mark.parametrize("name", NAMES)
def test_a_default_has_the_type_it_promises(name: str, settings: Wrapper) -> None:
    settings_value = getattr(conf, name)
    setattr(settings, name, settings_value)
    assert getattr(conf, name) == settings_value


def test_a_setting_is_read_at_each_access() -> None:
    assert conf.SITE_NAME == "Site"
    with override_settings(SITE_NAME="Shop"):
        assert conf.SITE_NAME == "Shop"
    assert conf.SITE_NAME == "Site"


def test_a_setting_that_is_set_by_hand_is_read_too() -> None:
    with override_settings():  # so that it is gone afterwards
        assert conf.SITE_NAME == "Site"
        django_settings.SITE_NAME = "Shop"
        assert conf.SITE_NAME == "Shop"
        del django_settings.SITE_NAME
        assert conf.SITE_NAME == "Site"
    assert conf.SITE_NAME == "Site"


def test_settings_that_nobody_has_read_yet_are_read() -> None:
    code = "from instant.conf import conf; print(conf.INSTANT_USER_ID, conf.CENTRIFUGO_PORT)"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root, env=environment
    )
    assert done.stdout.split() == ["pk", "8427"]


def test_no_other_name_is_a_setting() -> None:
    with pytest.raises(AttributeError):
        _ = conf.INSTANT_NO_SUCH_THING  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("CENTRIFUGO_PORT", "8427", "of type int or None"),
        ("CENTRIFUGO_PORT", True, "of type int or None"),
        ("CENTRIFUGO_HOST", None, "of type str"),
        ("CENTRIFUGO_HMAC_KEY", b"bytes", "of type str or None"),
        ("INSTANT_PAYLOAD", "json", "'object' or 'string'"),
        ("INSTANT_USER_ID", "email", "'pk' or 'username'"),
        ("INSTANT_PUBLISH_TIMEOUT", "2", "of type float"),
        ("INSTANT_PUBLISH_TIMEOUT", True, "of type float"),
        ("INSTANT_TOKEN_TTL", 1.5, "of type int"),
        ("INSTANT_NAMESPACES", ["chat"], "a mapping"),
        ("INSTANT_NAMESPACES", {"chat": None}, "a mapping"),
        ("INSTANT_NAMESPACES", {1: {}}, "a mapping"),
        ("INSTANT_ALLOW_ANONYMOUS", "yes", "of type bool"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object, wanted: str) -> None:
    with override_settings(**{name: value}), pytest.raises(InvalidSetting) as caught:
        getattr(conf, name)
    shown = "wrong" if name.endswith("_KEY") else repr(value)  # a key is a secret
    assert str(caught.value).startswith(f"{name} is {shown}; it must be {wanted}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CENTRIFUGO_PORT", None),
        ("INSTANT_PUBLISH_TIMEOUT", 2),
        ("INSTANT_NAMESPACES", {"chat": {"presence": True}}),
        ("CENTRIFUGO_BINARY", Path("/opt/centrifugo")),
    ],
)
def test_a_right_value_is_taken_as_it_is(name: str, value: object) -> None:
    with override_settings(**{name: value}):
        assert getattr(conf, name) is value


# keys


def keys(**values: Any) -> tuple[str, str, str | None]:
    with override_settings(**values):
        return conf.hmac_key, conf.api_key, conf.previous_hmac_key


def test_keys_are_derived_each_its_own() -> None:
    hmac, api, previous = keys(SECRET_KEY="one")
    other_hmac, other_api, _ = keys(SECRET_KEY="two")
    assert len({hmac, api, other_hmac, other_api, "one", "two"}) == 6
    assert previous is None
    assert keys(SECRET_KEY="one") == (hmac, api, None)
    assert min(len(hmac), len(api)) >= 32


def test_derived_keys_are_those_of_yesterday() -> None:
    """A new release must not throw everybody out: the derivation is fixed."""
    assert keys(SECRET_KEY="one")[:2] == (
        "9c8d3f0dae6d9184e28766e1e7caadc38ae7da33d75a6f6f1e8b4a316b5447bf",
        "975d18e9dd411dee8210813c2db8e2c33a8eb60a4a4c80ec87859fed800e1352",
    )


def test_explicit_keys_win() -> None:
    assert keys(CENTRIFUGO_HMAC_KEY="h" * 32, CENTRIFUGO_API_KEY="a") == ("h" * 32, "a", None)


def test_the_fallback_is_the_key_that_was() -> None:
    before = keys(SECRET_KEY="old")[0]
    assert keys(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old", "older"])[2] == before


def test_an_explicit_key_has_no_fallback() -> None:
    assert keys(CENTRIFUGO_HMAC_KEY="h", SECRET_KEY_FALLBACKS=["old"])[2] is None


@override_settings(CENTRIFUGO_SECRET_KEY="from 0.1", SECRET_KEY_FALLBACKS=["old"])
def test_the_key_of_version_0_1_still_signs_and_says_its_new_name() -> None:
    with pytest.warns(DeprecationWarning, match="rename it to CENTRIFUGO_HMAC_KEY") as caught:
        key = conf.hmac_key
    assert key == "from 0.1"
    assert conf.previous_hmac_key is None
    assert caught[0].filename == __file__  # it points at the reader, not at conf.py


def test_the_new_name_wins_over_that_of_version_0_1() -> None:
    with override_settings(CENTRIFUGO_SECRET_KEY="old", CENTRIFUGO_HMAC_KEY="new"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert conf.hmac_key == "new"


@pytest.mark.parametrize("key", ["from a file\n", "schlüssel", "a\rb", "tab\t"])
def test_an_api_key_that_no_header_can_hold_is_refused(key: str) -> None:
    with override_settings(CENTRIFUGO_API_KEY=key), pytest.raises(InvalidSetting, match="CENTRIFUGO_API_KEY") as caught:
        _ = conf.api_key
    assert key not in str(caught.value)  # it is a secret


# address


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("http://localhost", 8427, "http://localhost:8427"),
        ("http://localhost/", 8427, "http://localhost:8427"),
        ("localhost", 8427, "http://localhost:8427"),
        ("10.0.0.7", 9000, "http://10.0.0.7:9000"),
        ("https://rt.example.org", None, "https://rt.example.org"),
        ("https://rt.example.org/rt/", None, "https://rt.example.org/rt"),
        ("https://rt.example.org/rt", 8443, "https://rt.example.org:8443/rt"),
        ("http://localhost:9000", 8427, "http://localhost:9000"),
        ("http://[::1]", 8427, "http://[::1]:8427"),
    ],
)
def test_the_address_of_the_server(host: str, port: int | None, url: str) -> None:
    with override_settings(CENTRIFUGO_HOST=host, CENTRIFUGO_PORT=port):
        assert conf.server_url == url


@pytest.mark.parametrize("host", ["", "ftp://localhost", "http://", "http://localhost:abc", "http://[::1", "ws://x"])
def test_an_address_that_is_none_names_its_setting(host: str) -> None:
    with override_settings(CENTRIFUGO_HOST=host), pytest.raises(InvalidSetting, match="CENTRIFUGO_HOST is"):
        _ = conf.server_url


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_names_its_setting(port: int) -> None:
    with override_settings(CENTRIFUGO_PORT=port), pytest.raises(InvalidSetting, match="CENTRIFUGO_PORT is"):
        _ = conf.server_url
