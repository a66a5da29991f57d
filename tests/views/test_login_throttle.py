"""Failed log-ins are limited by account and address, and by address; never by account alone."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

LOGIN = "/instant/login/"
HERE = f"{__name__}."
AT_ANOTHER_ADDRESS = {"REMOTE_ADDR": "198.51.100.7"}


class Broken(LocMemCache):
    """A cache server that is down."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        raise ConnectionError("the cache is down")

    get = incr = decr = delete = add  # type: ignore[assignment]


class Silent(DummyCache):
    """A cache that hides its failures, as django-redis does with IGNORE_EXCEPTIONS."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return False


@pytest.fixture(autouse=True)
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed: clock[0] += seconds."""
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def login(password: str = "wrong", username: str = "alice", **extra: Any) -> HttpResponse:
    content = json.dumps({"username": username, "password": password})
    return Client(raise_request_exception=False).post(LOGIN, content, content_type="application/json", **extra)


def statuses(count: int, password: str = "wrong", username: str = "alice", **extra: Any) -> list[int]:
    return [login(password, username, **extra).status_code for _ in range(count)]


def test_the_eleventh_failure_in_a_minute_is_refused_and_so_is_the_right_password() -> None:
    assert statuses(12) == [403] * 10 + [429] * 2
    response = login("pw")
    assert response.status_code == 429
    assert response["Content-Type"] == "application/json"
    assert set(response.json()) == {"error", "reason"}
    assert response.json()["error"] == "too_many"
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "no-store" in response["Cache-Control"]
    assert "sessionid" not in response.cookies


def test_no_password_is_checked_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses(10)
    checked: list[str] = []
    name = "verify_password" if hasattr(hashers, "verify_password") else "check_password"  # before Django 4.2.16
    monkeypatch.setattr(hashers, name, lambda *args, **kwargs: checked.append(args[0]) or (True, False))
    monkeypatch.setattr(User, "check_password", lambda self, raw: checked.append(raw) or True)
    assert statuses(3) + statuses(3, "pw") == [429] * 6
    assert checked == []


def test_the_account_is_open_to_another_address() -> None:
    statuses(11)
    assert statuses(1, "pw", **AT_ANOTHER_ADDRESS) == [200]
    assert statuses(1, "pw") == [429]


def test_another_account_is_open_to_the_address() -> None:
    User.objects.create_user("bob", password="pw of bob")
    statuses(11)
    assert statuses(1, "pw of bob", "bob") == [200]


def test_an_account_that_does_not_exist_is_counted_alike() -> None:
    assert statuses(11, username="nobody") == [403] * 10 + [429]


def test_an_address_has_a_hundred_failures_in_all() -> None:
    assert [login(username=f"user{number}").status_code for number in range(101)] == [403] * 100 + [429]
    assert statuses(1, "pw") == [429]
    assert statuses(1, "pw", **AT_ANOTHER_ADDRESS) == [200]


def test_what_was_refused_does_not_count_for_the_address() -> None:
    statuses(300)
    User.objects.create_user("bob", password="pw of bob")
    assert statuses(1, "pw of bob", "bob") == [200]


def test_a_success_resets_the_pair_and_is_no_failure_of_the_address() -> None:
    for _ in range(5):
        assert statuses(9) == [403] * 9
        assert statuses(1, "pw") == [200]
    assert statuses(60, "pw") == [200] * 60
    assert [login(username=f"user{number}").status_code for number in range(56)] == [403] * 55 + [429]


def test_a_success_does_not_reset_the_address() -> None:
    User.objects.create_user("eve", password="pw of eve")
    for number in range(100):
        login(username=f"user{number}")
    assert statuses(1, "pw of eve", "eve") == [429]


def test_after_a_minute_it_is_open_again(clock: list[float]) -> None:
    statuses(11)
    clock[0] += 40
    response = login("pw")
    assert (response.status_code, response["Retry-After"]) == (429, "20")
    clock[0] += 20.1
    assert statuses(1, "pw") == [200]


def test_the_window_starts_with_the_first_failure_and_not_with_the_last(clock: list[float]) -> None:
    statuses(5)
    clock[0] += 50
    assert statuses(6) == [403] * 5 + [429]
    clock[0] += 10.1
    assert statuses(11) == [403] * 10 + [429]


@pytest.mark.parametrize(
    "names",
    [
        ["alice", "Alice", "ALICE", "aLiCe"],
        ["alice", " alice", "alice ", "\uff41lice", "álice", "a\u0301lice"],
        ["straße", "STRASSE"],
    ],
)
def test_spellings_of_an_account_are_one_account(names: list[str]) -> None:
    found = [login(username=names[number % len(names)]).status_code for number in range(11)]
    assert found == [403] * 10 + [429]


def test_no_name_and_no_address_is_in_the_cache() -> None:
    login(username="alice@example.org", REMOTE_ADDR="203.0.113.9")
    cache = caches["default"]
    assert isinstance(cache, LocMemCache)
    assert cache._cache
    assert not [key for key in cache._cache if "alice" in key or "203" in key]


def test_an_ipv6_network_is_one_address() -> None:
    found = [login(REMOTE_ADDR=f"2001:db8:1:2::{number:x}").status_code for number in range(11)]
    assert found == [403] * 10 + [429]
    assert statuses(1, "pw", REMOTE_ADDR="2001:db8:1:3::1") == [200]
    assert statuses(1, "pw", REMOTE_ADDR="2001:db8:1:2:ffff::1") == [429]


def test_an_unknown_address_is_not_limited(caplog: pytest.LogCaptureFixture) -> None:
    """All users of the site would share the limit, and anybody could lock an account."""
    assert statuses(11, REMOTE_ADDR="") == [403] * 11
    assert statuses(1, "pw", REMOTE_ADDR="") == [200]
    assert "set INSTANT_CLIENT_ADDRESS" in caplog.text


def test_the_address_of_the_setting_counts(settings: Settings) -> None:
    settings.INSTANT_CLIENT_ADDRESS = lambda request: request.headers["X-Real-IP"]
    assert statuses(11, headers={"X-Real-IP": "203.0.113.1"}) == [403] * 10 + [429]
    assert statuses(1, "pw", headers={"X-Real-IP": "203.0.113.2"}) == [200]


@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_are_counted_before_the_password_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = threading.Barrier(10, timeout=30)

    def slow(request: Any = None, **credentials: Any) -> None:
        under_way.wait()

    monkeypatch.setattr("instant.views.auth.auth.authenticate", slow)
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda _: login().status_code, range(30)))
    assert sorted(found) == [403] * 10 + [429] * 20


# The cache


@pytest.mark.parametrize("kind", ["Broken", "Silent"])
def test_without_the_cache_the_process_counts(kind: str, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHES = {"default": {"BACKEND": HERE + kind}}
    assert statuses(1, "pw") == [200]
    assert statuses(11) == [403] * 10 + [429]
    assert statuses(1, "pw") == [429]
    assert statuses(1, "pw", **AT_ANOTHER_ADDRESS) == [200]
    assert ("only this process counts them" in caplog.text) is (kind == "Broken")
    assert "Traceback" not in caplog.text


def test_a_cache_that_keeps_nothing(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert statuses(11) == [403] * 10 + [429]


@pytest.mark.parametrize("backend", ["filebased.FileBasedCache", "db.DatabaseCache"])
def test_caches_whose_incr_sets_another_timeout(
    backend: str, settings: Settings, tmp_path: Any, clock: list[float]
) -> None:
    """`incr()` of these is a `get()` and a `set()`, which keeps the value for their default timeout."""
    from django.core.management import call_command

    location = "throttle_cache" if "db" in backend else str(tmp_path)
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}}
    if "db" in backend:
        call_command("createcachetable")
    assert statuses(11) == [403] * 10 + [429]
    clock[0] += 60.1
    assert statuses(11) == [403] * 10 + [429]


def test_the_cache_of_the_setting(settings: Settings) -> None:
    local = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        "default": {"BACKEND": HERE + "Broken"},
        "throttle": {"BACKEND": local, "LOCATION": "throttle of a test"},
    }
    settings.INSTANT_THROTTLE_CACHE = "throttle"
    login()
    cache = caches["throttle"]
    assert isinstance(cache, LocMemCache)
    assert cache._cache


def test_an_unknown_cache_is_as_one_that_is_down(settings: Settings) -> None:
    settings.INSTANT_THROTTLE_CACHE = "gone"
    assert statuses(11) == [403] * 10 + [429]
