"""The CSRF check reads forms before a view does: a form that cannot be read is a refusal in JSON, not an error."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db

GET_TOKEN, FRONTEND = "/instant/get_token/", "/instant/"
READING_POST = ["/instant/login/", GET_TOKEN, "/instant/logout/", FRONTEND]
FORM = "application/x-www-form-urlencoded"


class Cut(io.BytesIO):
    """The body of a client that has closed its connection."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


@pytest.fixture
def browser() -> Client:
    """A superuser's, with CSRF checks and a CSRF cookie."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    client.get(GET_TOKEN)
    return client


def refused(browser: Client, path: str, content_type: str, body: bytes = b"a=1", **extra: Any) -> tuple[int, str]:
    response = browser.generic("POST", path, body, content_type, **extra)
    assert "no-store" in response["Cache-Control"]
    answer = json.loads(response.content)
    assert answer["reason"]
    return response.status_code, answer["error"]


@pytest.mark.parametrize("path", READING_POST)
def test_another_charset(browser: Client, path: str) -> None:
    assert refused(browser, path, f"{FORM}; charset=utf-16") == (400, "bad_request")


def test_a_form_that_is_cut_off(browser: Client) -> None:
    browser.handler.enforce_csrf_checks = False  # the check would take it for a form without a token
    assert refused(browser, FRONTEND, FORM, **{"wsgi.input": Cut()}) == (400, "unreadable")


def test_a_form_of_parts_instead_of_json(browser: Client) -> None:
    body = b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X--\r\n'
    assert refused(browser, GET_TOKEN, "multipart/form-data; boundary=X", body) == (415, "unsupported_media_type")


def test_the_demo_frontend_refuses_without_a_csrf_token_in_json(browser: Client) -> None:
    assert refused(browser, FRONTEND, FORM) == (403, "csrf")


def test_the_labels_read_no_form(browser: Client) -> None:
    response = browser.generic("POST", "/instant/labels.js", b"a=1", f"{FORM}; charset=utf-16")
    assert response.status_code == 200
