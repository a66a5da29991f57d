"""What the tokens say."""

from __future__ import annotations

import time
import uuid
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import override_settings
from pytest_django import Settings

from instant.access.session_binding import bound_meta, shown_info
from instant.access.tokens import channel_token, channel_token_for, connection_claims, connection_token
from instant.channels.user_ids import user_id
from instant.conf import conf
from instant.exceptions import InvalidChannel

ALICE = User(pk=7, username="alice")


def claims(token: str, key: str | None = None) -> dict[str, Any]:
    return jwt.decode(token, key or conf.hmac_key, algorithms=["HS256"])


def test_a_connection_token_names_the_user_by_the_pk_and_what_binds_it() -> None:
    before = int(time.time())
    content = claims(connection_token(ALICE))
    assert set(content) == {"sub", "exp", "iat", "meta", "info"}
    assert content["sub"] == "7"
    assert content["meta"] == bound_meta(ALICE, rights="")
    assert content["info"] == shown_info(bound_meta(ALICE, rights=""))
    assert before + 1800 <= content["exp"] <= time.time() + 1800
    assert isinstance(content["exp"], int)


def test_a_channel_token_is_bound_to_user_and_channel() -> None:
    before = int(time.time())
    content = claims(channel_token("$users", ALICE))
    assert set(content) == {"sub", "channel", "exp", "expire_at", "iat"}
    assert (content["sub"], content["channel"], content["expire_at"]) == ("7", "$users", 0)
    assert before + 300 <= content["exp"] <= time.time() + 300


def test_the_header_is_that_of_hs256() -> None:
    assert jwt.get_unverified_header(connection_token(ALICE)) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.get_unverified_header(channel_token("a", ALICE)) == {"alg": "HS256", "typ": "JWT"}


@override_settings(INSTANT_TOKEN_TTL=60, INSTANT_CHANNEL_TOKEN_TTL=30)
def test_lifetimes_come_from_the_settings() -> None:
    now = time.time()
    assert now + 59 <= claims(connection_token(ALICE))["exp"] <= now + 61
    assert now + 29 <= claims(channel_token("a", ALICE))["exp"] <= now + 31


@override_settings(CENTRIFUGO_HMAC_KEY="another key, and one of more than 32 bytes")
def test_the_key_comes_from_the_settings() -> None:
    key = "another key, and one of more than 32 bytes"
    assert claims(connection_token(ALICE), key)["sub"] == "7"
    with pytest.raises(jwt.InvalidSignatureError):
        claims(channel_token("a", ALICE), "yet another key, also of more than 32 bytes")


def test_who_comes_from_version_4_can_keep_user_names() -> None:
    with override_settings(INSTANT_USER_ID="username"):
        assert claims(connection_token(ALICE))["sub"] == "alice"
        assert claims(channel_token("a", ALICE))["sub"] == "alice"
        assert user_id(AnonymousUser()) == ""
    assert user_id(ALICE) == "7"


def test_any_kind_of_pk_is_a_string() -> None:
    pk = uuid.uuid4()
    user = User(username="bob")
    user.pk = pk
    assert claims(connection_token(user))["sub"] == str(pk)


def test_visitors_have_an_empty_sub() -> None:
    assert claims(connection_token(AnonymousUser()))["sub"] == ""
    assert claims(channel_token("news", AnonymousUser()))["sub"] == ""


def test_meta_goes_to_the_proxies_only() -> None:
    content = claims(connection_token(ALICE, meta={"page": 1}))
    assert content["meta"] == {"page": 1}
    assert not {"channels", "subs", "info", "channel"} & set(content)


def test_a_connection_token_never_outlives_its_session() -> None:
    now = time.time()
    assert now + 9 <= claims(connection_token(ALICE, expires_in=10))["exp"] <= now + 11
    assert now + 1799 <= claims(connection_token(ALICE, expires_in=10_000))["exp"] <= now + 1801


@pytest.mark.parametrize("name", ["", "gone:chan", "ns:$chan", "ü", "$", "ws:x", None])
def test_no_token_for_a_channel_that_nobody_could_join(name: Any) -> None:
    with pytest.raises(InvalidChannel):
        channel_token(name, ALICE)


def test_the_fast_way_makes_the_same_token() -> None:
    slow, fast = claims(channel_token("$users", ALICE)), claims(channel_token_for("7", "$users"))
    assert {**slow, "exp": 0, "iat": 0} == {**fast, "exp": 0, "iat": 0}


def test_connection_tokens_of_the_previous_key_are_valid_while_it_is_a_fallback(settings: Settings) -> None:
    token, old = connection_token(User(pk=7)), settings.SECRET_KEY
    settings.SECRET_KEY = "n" * 60
    assert connection_claims(token) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert (connection_claims(token) or {})["sub"] == "7"
