"""logout/: by POST, with a CSRF token."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

pytestmark = pytest.mark.django_db

LOGOUT, GET_TOKEN = "/instant/logout/", "/instant/get_token/"
WITHOUT_CSRF_MIDDLEWARE = override_settings(
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
)


@pytest.fixture
def browser() -> Client:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.create_user("alice", password="pw"))
    return client


def csrf_token(browser: Client) -> str:
    return browser.get(GET_TOKEN).json()["csrf_token"]


def is_logged_in(browser: Client) -> bool:
    return browser.get(GET_TOKEN).status_code == 200


def test_without_a_token_it_is_refused_in_json(browser: Client) -> None:
    response = browser.post(LOGOUT)
    assert response.status_code == 403
    assert response.json()["error"] == "csrf"
    assert response.json()["reason"].startswith("CSRF")
    assert is_logged_in(browser)


def test_with_a_wrong_token_it_is_refused(browser: Client) -> None:
    csrf_token(browser)
    for token in ("", "x", "x" * 64, "ü"):
        assert browser.post(LOGOUT, headers={"x-csrftoken": token}).status_code == 403
    assert is_logged_in(browser)


def test_with_the_header_it_logs_out(browser: Client) -> None:
    response = browser.post(LOGOUT, headers={"x-csrftoken": csrf_token(browser)})
    assert (response.status_code, response.json()) == (200, {"response": "ok"})
    assert "no-store" in response["Cache-Control"]
    assert not is_logged_in(browser)


def test_with_a_json_body_it_logs_out(browser: Client) -> None:
    headers = {"x-csrftoken": csrf_token(browser)}
    assert browser.post(LOGOUT, b"{}", content_type="application/json", headers=headers).status_code == 200
    assert not is_logged_in(browser)


def test_by_a_form_it_logs_out(browser: Client) -> None:
    assert browser.post(LOGOUT, {"csrfmiddlewaretoken": csrf_token(browser)}).status_code == 200
    assert not is_logged_in(browser)


def test_a_token_is_asked_for_where_the_site_has_no_csrf_middleware(browser: Client) -> None:
    with WITHOUT_CSRF_MIDDLEWARE:
        assert browser.post(LOGOUT).status_code == 403
        assert browser.post(LOGOUT, headers={"x-csrftoken": csrf_token(browser)}).status_code == 200
        content = {"username": "alice", "password": "pw"}
        token = browser.post("/instant/login/", content, content_type="application/json").json()["csrf_token"]
        assert browser.post(LOGOUT, headers={"x-csrftoken": token}).status_code == 200


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_by_no_other_method(browser: Client, method: str) -> None:
    assert getattr(browser, method)(LOGOUT).status_code == 405
    assert is_logged_in(browser)


def test_nobody_may_log_out_too() -> None:
    assert Client().post(LOGOUT).json() == {"response": "ok"}


def test_a_broken_form_is_a_4xx_in_json(browser: Client) -> None:
    csrf_token(browser)
    big = browser.post(
        LOGOUT, {"csrfmiddlewaretoken": "x" * 3_000_000}, content_type="application/x-www-form-urlencoded"
    )
    many = browser.post(LOGOUT, "&".join(f"a{n}=1" for n in range(1500)), "application/x-www-form-urlencoded")
    broken = browser.post(LOGOUT, b"--x", content_type="multipart/form-data")
    for response, status in ((big, 413), (many, 400), (broken, 400)):
        assert response.status_code == status
        assert json.loads(response.content)["reason"]
    assert is_logged_in(browser)


@override_settings(CORS_ALLOWED_ORIGINS=["https://front.example.org"], CSRF_TRUSTED_ORIGINS=["https://t.example.org"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://testserver", 200),
        ("https://front.example.org", 200),
        ("https://t.example.org", 200),
        ("https://evil.example.org", 403),
        ("null", 403),
    ],
)
def test_the_origins_that_may_log_in_may_log_out(browser: Client, origin: str, status: int) -> None:
    headers = {"origin": origin, "x-csrftoken": csrf_token(browser)}
    assert browser.post(LOGOUT, headers=headers).status_code == status
    assert browser.post(LOGOUT, headers={"origin": origin}).status_code == 403  # the token is asked for all the same


def test_trusted_origins_are_read_at_each_request(browser: Client) -> None:
    headers = {"origin": "https://late.example.org", "x-csrftoken": csrf_token(browser)}
    assert browser.post(LOGOUT, headers=headers).status_code == 403
    with override_settings(CSRF_TRUSTED_ORIGINS=["https://late.example.org"]):
        assert browser.post(LOGOUT, headers=headers).status_code == 200
