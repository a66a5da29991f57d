"""Which pages may log in."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from instant.views.auth import _is_known

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    User.objects.create_user("alice", password="pw")
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def login(client: Client, **headers: str) -> HttpResponse:
    content = json.dumps({"username": "alice", "password": "pw"})
    return client.post("/instant/login/", content, content_type="application/json", headers=headers)


SETTINGS = {
    "CORS_ALLOWED_ORIGINS": ["https://front.example.org", "http://localhost:3000"],
    "CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://pr-\d+\.example\.net$"],
    "CSRF_TRUSTED_ORIGINS": ["https://trusted.example.org", "https://*.wild.example.org", "http://*.port.org:8080"],
}


@pytest.mark.parametrize(
    "origin",
    [
        "http://testserver",
        "https://front.example.org",
        "http://localhost:3000",
        "https://pr-12.example.net",
        "https://trusted.example.org",
        "https://a.wild.example.org",
        "https://a.b.wild.example.org",
        "https://wild.example.org",
        "http://a.port.org:8080",
    ],
)
@override_settings(**SETTINGS)
def test_known_origins(browser: Client, origin: str) -> None:
    assert login(browser, origin=origin).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "https://evil.example.org",
        "https://testserver",
        "http://testserver:8000",
        "http://testserver.evil.org",
        "http://eviltestserver",
        "http://front.example.org",
        "https://front.example.org:8443",
        "https://front.example.org.evil.org",
        "https://FRONT.example.org/",
        "http://localhost",
        "https://xpr-12.example.net",
        "https://pr-12.example.net.evil.org",
        "https://sub.trusted.example.org",
        "http://a.wild.example.org",
        "https://evilwild.example.org",
        "https://a.wild.example.org:444",
        "https://a.wild.example.org.evil.org",
        "http://a.port.org",
        "https://[bad",
        "https://[::1",
        "file://",
        "chrome-extension://abcdef",
        "\xff",
    ],
)
@override_settings(**SETTINGS)
def test_foreign_origins(browser: Client, origin: str) -> None:
    response = login(browser, origin=origin)
    assert response.status_code == 403
    assert response.json()["error"] == "foreign_origin"
    assert "sessionid" not in browser.cookies


@override_settings(CORS_ALLOW_ALL_ORIGINS=True)
def test_allowing_all_origins_lets_no_foreign_page_log_in(browser: Client) -> None:
    assert login(browser, origin="https://evil.example.org").status_code == 403
    assert login(browser, origin="https://front.example.org").status_code == 200


def test_a_program_without_an_origin_may_log_in(browser: Client) -> None:
    assert login(browser).status_code == 200


def test_the_sites_own_origin_goes_by_scheme_and_port(rf: RequestFactory) -> None:
    request = rf.get("/", headers={"host": "localhost:8000"}, secure=True)
    assert _is_known(request, "https://localhost:8000")
    assert not _is_known(request, "http://localhost:8000")
    assert not _is_known(request, "https://localhost")
