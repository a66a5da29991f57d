"""The door of the websockets server: who may ask, and that each answer is explicit, whatever is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings
from pytest_django import Settings

from instant.conf import conf
from instant.proxies.requests import RpcRequest
from instant.views.proxies import MAX_BODY, rpc
from tests.proxies.calls import BODY, META, URL, error, post


def test_a_call_is_answered(asked: list[RpcRequest]) -> None:
    response = post()
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store, private"
    assert response.json() == {"result": {"data": {"value": {"a": 1}}}}
    assert asked == [RpcRequest("c1", "42", "app.name", {"a": 1}, META)]


def test_the_headers_that_the_server_hands_on(asked: list[RpcRequest]) -> None:
    post(headers_of_the_browser={"User-Agent": "Mozilla", "Accept-Language": "de", "Cookie": "a=b"})
    assert asked[0].headers == {"User-Agent": "Mozilla", "Accept-Language": "de"}


@pytest.mark.parametrize("leave", ["user", "method", "data", "meta"])
def test_what_the_server_leaves_out(leave: str, asked: list[RpcRequest]) -> None:
    body = {name: value for name, value in BODY.items() if name != leave}
    if leave == "user":
        del body["meta"]
    assert "result" in post(body).json()
    empty: dict[str, Any] = {"user": "", "method": "", "data": None, "meta": {}}
    assert getattr(asked[0], leave) == empty[leave]


# Forged ones


@pytest.mark.parametrize("secret", [None, "x", "ü", "x" * 100_000, "None", " "])
def test_who_does_not_know_the_secret_is_refused(
    secret: str | None, asked: list[RpcRequest], caplog: pytest.LogCaptureFixture
) -> None:
    response = post(secret=secret)
    assert (response.status_code, response.json()["error"]) == (403, "wrong_secret")
    assert asked == []
    assert "without the proxy secret" in caplog.text
    assert conf.proxy_secret not in caplog.text


@pytest.mark.parametrize("prefix", [0, 1, 63])
def test_a_part_of_the_secret_is_not_enough(prefix: int) -> None:
    assert post(secret=conf.proxy_secret[:prefix] or "x").status_code == 403


def test_an_empty_setting_is_no_secret(settings: Settings) -> None:
    settings.INSTANT_PROXY_SECRET = ""
    assert len(conf.proxy_secret) == 64
    assert post(secret=None).status_code == 403


def test_the_secret_of_the_settings(settings: Settings) -> None:
    derived = conf.proxy_secret
    settings.INSTANT_PROXY_SECRET = "s3cret"
    assert post(secret="s3cret").status_code == 200
    assert post(secret=derived).status_code == 403


def test_a_server_of_the_old_secret_key_is_still_heard(settings: Settings) -> None:
    old = conf.proxy_secret
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another " * 9, [settings.SECRET_KEY]
    assert conf.proxy_secret != old
    assert post(secret=old).status_code == 200
    assert post().status_code == 200
    assert conf.proxy_secret not in (conf.api_key, conf.hmac_key)


class Unreadable:
    def read(self, *args: int) -> bytes:
        raise AssertionError("the body was read")


@pytest.mark.parametrize(("secret", "expected"), [("wrong", 403), ("", 200)])
def test_a_big_body_is_refused_unread(secret: str, expected: int) -> None:
    headers = {"X-Instant-Secret": secret or conf.proxy_secret}
    request = RequestFactory().post(URL, b"", content_type="application/json", headers=headers)
    request.META["CONTENT_LENGTH"], request.META["wsgi.input"] = str(10 * 1024 * 1024), Unreadable()
    request._stream = request.META["wsgi.input"]
    response = rpc(request)
    assert response.status_code == expected
    if expected == 200:
        assert json.loads(response.content)["error"]["code"] == 413


def test_sizes() -> None:
    assert error(post(b" " * 10 * 1024 * 1024))[0] == 413
    # The server writes each `<` of a message of 64 KiB as six characters.
    data = b'{"client":"c","data":"' + b"\\u003c" * 65_000 + b'"}'
    assert post(data).json() == {"result": {"data": {"value": "<" * 65_000}}}
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100):
        assert error(post({**BODY, "data": "x" * 200}))[0] == 413
    assert MAX_BODY < 2.5 * 1024 * 1024  # Django's own limit


def test_odd_lengths() -> None:
    """Those that are no numbers are in tests/views/test_content_length.py: the server never sends them."""
    assert error(post(CONTENT_LENGTH=""))[0] == 400
    assert error(post(CONTENT_LENGTH="0"))[0] == 400
    assert error(post(CONTENT_LENGTH=str(MAX_BODY + 1)))[0] == 413


BROKEN = {
    "empty": b"",
    "no JSON": b"x",
    "cut off": b'{"client":"c","data":',
    "no UTF-8": b'{"client":"c","data":"\xff"}',
    "deep arrays": b"[" * 60_000,
    "deep arrays within": b'{"client":"c","data":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "deep objects": b'{"a":' * 12_000 + b"1" + b"}" * 12_000,
    "a long number": b'{"client":"c","data":' + b"9" * 60_000 + b"}",
    "half a pair": b'{"client":"c","data":"\\ud800"}',
    "half a pair in a key": b'{"client":"c","data":{"a\\uDC00":1}}',
    "an array": b"[]",
    "null": b"null",
    "text": b'"x"',
    "no client": b"{}",
    "empty client": b'{"client":""}',
    "client of a wrong type": b'{"client":1}',
    "client null": b'{"client":null}',
    "user of a wrong type": b'{"client":"c","user":42}',
    "method of a wrong type": b'{"client":"c","method":["x"]}',
    "meta of a wrong type": b'{"client":"c","meta":[]}',
    "a long method": b'{"client":"c","method":"' + b"x" * 256 + b'"}',
    "meta text": b'{"client":"c","meta":"x"}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_server_does_not_write_is_refused(
    name: str, asked: list[RpcRequest], caplog: pytest.LogCaptureFixture
) -> None:
    code, message = error(post(BROKEN[name]))
    assert code == 400
    assert message.startswith("bad request: ")
    assert asked == []
    assert len(caplog.text) < 1000
    assert "Traceback" not in caplog.text


def test_a_whole_pair_is_fine() -> None:
    assert post(b'{"client":"c","data":"\\ud83d\\ude00"}').json()["result"]["data"]["value"] == "😀"


@pytest.mark.parametrize("user", ["", "43", "4"])
@pytest.mark.parametrize("meta", [META, {**META, "user": 42}, {**META, "user": None}, {"window": "k"}])
def test_the_window_of_another_user_is_refused(user: str, meta: dict[str, Any], asked: list[RpcRequest]) -> None:
    assert error(post({**BODY, "user": user, "meta": meta})) == (403, "this window belongs to another user")
    assert asked == []


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "patch", "options"])
def test_other_methods_are_refused(method: str) -> None:
    response = getattr(Client(), method)(URL, headers={"X-Instant-Secret": conf.proxy_secret})
    assert response.status_code == 405
    assert response["Allow"] == "POST"


def test_the_middleware_that_wants_a_login_lets_it_pass(settings: Settings) -> None:
    pytest.importorskip("django", minversion="5.1")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert post().status_code == 200


def test_no_query_and_no_session() -> None:
    response = post()  # without the database's mark, a query would raise
    assert response.cookies == {}
    assert "Vary" not in response or "Cookie" not in response["Vary"]
