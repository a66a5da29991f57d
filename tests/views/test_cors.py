"""A front end on another origin, as browsers drive it: preflight first, then the request with credentials."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from instant.models import Channel

pytestmark = pytest.mark.django_db

FRONT = "https://front.example.org"  # in CORS_ALLOWED_ORIGINS, and in no other setting
EVIL = "https://evil.example.org"
PATHS = ["login", "get_token", "subscribe", "logout"]


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True)


def preflight(client: Client, path: str, origin: str) -> HttpResponse:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-csrftoken",
    }
    return client.options(f"/instant/{path}/", headers=headers)


def post(client: Client, path: str, content: object, **headers: str) -> HttpResponse:
    body = json.dumps(content)
    return client.post(f"/instant/{path}/", body, content_type="application/json", headers={"origin": FRONT, **headers})


def assert_readable(response: HttpResponse) -> None:
    assert response["Access-Control-Allow-Origin"] == FRONT
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert "origin" in response["Vary"].lower()


@pytest.mark.parametrize("path", PATHS)
def test_the_preflight_allows_what_the_client_sends(browser: Client, path: str) -> None:
    response = preflight(browser, path, FRONT)
    assert response.status_code == 200
    assert_readable(response)
    assert "POST" in response["Access-Control-Allow-Methods"]
    allowed = response["Access-Control-Allow-Headers"]
    assert "content-type" in allowed
    assert "x-csrftoken" in allowed


@pytest.mark.parametrize("path", PATHS)
def test_the_preflight_allows_others_nothing(browser: Client, path: str) -> None:
    for origin in (EVIL, "null", "http://front.example.org", FRONT + ":444"):
        response = preflight(browser, path, origin)
        assert "Access-Control-Allow-Origin" not in response
        assert "Access-Control-Allow-Credentials" not in response


def test_the_whole_way_of_a_front_end(browser: Client) -> None:
    User.objects.create_user("alice", password="pw")
    Channel.objects.create(name="users", level="users")
    refused = browser.get("/instant/get_token/", headers={"origin": FRONT})
    assert refused.status_code == 403
    assert_readable(refused)  # else the page could not tell a refusal from a broken network

    answer = post(browser, "login", {"username": "alice", "password": "pw"})
    assert answer.status_code == 200
    assert_readable(answer)
    for path, content in (("get_token", {}), ("subscribe", {"channel": "$users"})):
        response = post(browser, path, content)
        assert response.status_code == 200
        assert_readable(response)
        assert response.json()["channels"][0]["token"]

    assert post(browser, "logout", {}).status_code == 403
    out = post(browser, "logout", {}, **{"x-csrftoken": answer.json()["csrf_token"]})
    assert out.status_code == 200
    assert_readable(out)
    assert post(browser, "get_token", {}).status_code == 403


def test_a_foreign_page_cannot_read_tokens(browser: Client) -> None:
    browser.force_login(User.objects.create_user("alice", password="pw"))
    response = browser.get("/instant/get_token/", headers={"origin": EVIL})
    assert "Access-Control-Allow-Origin" not in response
    assert "Access-Control-Allow-Credentials" not in response
