"""INSTANT_CLIENT_ADDRESS: which address a request counts for, whatever the function of a site returns."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from instant.views.client_address import client_address


def request(address: str | None = "192.0.2.1", **headers: str) -> HttpRequest:
    made = RequestFactory().get("/", headers=headers)
    if address is None:
        del made.META["REMOTE_ADDR"]
    else:
        made.META["REMOTE_ADDR"] = address
    return made


def rightmost(request: HttpRequest) -> str:
    """The example of the documentation."""
    return request.headers["X-Forwarded-For"].rpartition(",")[2].strip()


async def asynchronous(request: HttpRequest) -> str:
    return "203.0.113.8"


def test_by_default_a_header_of_the_client_means_nothing() -> None:
    assert client_address(request(**{"X-Forwarded-For": "203.0.113.9"})) == "192.0.2.1"


@pytest.mark.parametrize("address", [None, "", "  "])
def test_without_an_address_there_is_none(address: str | None) -> None:
    assert client_address(request(address)) == ""


@pytest.mark.parametrize("value", [rightmost, f"{__name__}.rightmost"])
def test_a_function_and_its_dotted_path(value: Any, settings: Settings) -> None:
    settings.INSTANT_CLIENT_ADDRESS = value
    assert client_address(request(**{"X-Forwarded-For": "10.9.9.9, 203.0.113.9"})) == "203.0.113.9"


def test_an_async_function(settings: Settings) -> None:
    settings.INSTANT_CLIENT_ADDRESS = asynchronous
    assert client_address(request()) == "203.0.113.8"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        (" 203.0.113.9\n", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("2001:DB8:0:0:1::5", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("x" * 1000, "x" * 100),
    ],
)
def test_spellings(value: str, found: str, settings: Settings) -> None:
    settings.INSTANT_CLIENT_ADDRESS = lambda request: value
    assert client_address(request()) == found


@pytest.mark.parametrize("value", [None, "", "  ", 5, b"203.0.113.9", ["203.0.113.9"], object()])
def test_odd_values_are_the_address_of_the_peer(
    value: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.INSTANT_CLIENT_ADDRESS = lambda request: value
    assert client_address(request()) == "192.0.2.1"
    assert "INSTANT_CLIENT_ADDRESS" in caplog.text


@pytest.mark.parametrize("value", [rightmost, "no.such.function", f"{__name__}.missing", "x"])
def test_errors_are_the_address_of_the_peer(value: Any, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INSTANT_CLIENT_ADDRESS = value
    assert client_address(request()) == "192.0.2.1"
    assert "INSTANT_CLIENT_ADDRESS" in caplog.text
