"""Channels of the settings are channels like those of the admin: tokens, endpoints, and the end of access."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from instant.access import channel_access
from instant.access.channel_access import Access, channels_for, may_join, members
from instant.access.client_credentials import credentials
from instant.models import Channel
from tests.access.asking import audience_of
from tests.access.test_channel_access import everybody

pytestmark = pytest.mark.django_db

DECLARED = {
    "INSTANT_SUPERUSER_CHANNELS": [["$root"]],
    "INSTANT_STAFF_CHANNELS": [["$staff"], ["$desk", ["/desk/*"]]],
    "INSTANT_USERS_CHANNELS": [["$users"], ["$shop", ["/shop/", "/cart/"]]],
    "INSTANT_PUBLIC_CHANNELS": [["news"], ["home", ["/"]]],
}


@pytest.fixture(autouse=True)
def declared_ones(settings: Settings) -> None:
    for name, value in DECLARED.items():
        setattr(settings, name, value)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_access, "_warned", set())


def names(user: Any, path: str | None = None) -> list[str]:
    """All but the user's own, which tests/channels/test_user_ids.py has."""
    return [found.name for found in channels_for(user, path) if found.level != "user"]


# levels


def test_each_flag_opens_its_own_level_and_no_other() -> None:
    for is_staff in (False, True):
        for is_superuser in (False, True):
            user = User.objects.create(
                username=f"{is_staff}{is_superuser}", is_staff=is_staff, is_superuser=is_superuser
            )
            wanted = {"$users", "$shop", "news", "home"}
            wanted |= {"$staff", "$desk"} if is_staff else set()
            wanted |= {"$root"} if is_superuser else set()
            assert names(user) == sorted(wanted)


def test_visitors_get_the_public_ones_where_they_may_come(settings: Settings) -> None:
    gone = User.objects.create_superuser("gone", is_active=False)
    assert names(AnonymousUser()) == []
    settings.INSTANT_ALLOW_ANONYMOUS = True
    assert channels_for(AnonymousUser()) == [Access("home", "public"), Access("news", "public")]
    assert names(gone) == []


def test_a_declared_channel_opens_to_whom_a_row_of_its_level_would(settings: Settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    users = [*everybody([Group.objects.create(name="a")]), AnonymousUser()]
    for level, name in (("superuser", "$root"), ("staff", "$staff"), ("users", "$users"), ("public", "news")):
        Channel.objects.create(name=f"row-{level}", level=level)
        row = Channel.objects.get(level=level)
        for user in users:
            assert may_join(user, name) is may_join(user, row.name), (user, level)
        assert audience_of(name) == audience_of(row.name) == {str(u.pk or "") for u in users if may_join(u, name)}


def test_rows_stay_rows(alice: User) -> None:
    Channel.objects.create(name="mine", level="users")
    assert [channel.name for channel in Channel.objects.for_user(alice)] == ["$mine"]
    with CaptureQueriesContext(connection) as queries:
        assert names(alice) == ["$mine", "$shop", "$users", "home", "news"]
    assert len(queries) == 1


# paths


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (None, ["$desk", "$shop", "$staff", "$users", "home", "news"]),
        ("/", ["$staff", "$users", "home", "news"]),
        ("/shop/", ["$shop", "$staff", "$users", "news"]),
        ("/cart/", ["$shop", "$staff", "$users", "news"]),
        ("/shop/x/", ["$staff", "$users", "news"]),
        ("/desk/", ["$desk", "$staff", "$users", "news"]),
        ("/desk/1/", ["$desk", "$staff", "$users", "news"]),
        ("/desk", ["$staff", "$users", "news"]),
        ("", ["$staff", "$users", "news"]),
    ],
)
def test_a_page_joins_what_has_its_path(alice: User, path: str | None, wanted: list[str]) -> None:
    alice.is_staff = True
    assert names(alice, path) == wanted
    given = credentials(alice, path=path)["channels"]
    assert [found["name"] for found in given if found["level"] != "user"] == wanted


def test_rows_have_paths_too(alice: User) -> None:
    Channel.objects.create(name="a", level="users", paths=["/a/"])
    Channel.objects.create(name="below", level="users", paths=["/b/*", "/c/"])
    assert set(names(alice)) >= {"$a", "$below"}
    for path, wanted in (("/a/", {"$a"}), ("/b/1/", {"$below"}), ("/c/", {"$below"}), ("/c/1/", set())):
        assert {name for name in names(alice, path) if name in ("$a", "$below")} == wanted


def test_a_path_opens_and_closes_nothing(alice: User) -> None:
    """It says what a page joins by itself; who names a channel gets it anywhere, if the level allows it."""
    answer = credentials(alice, ["$shop", "$desk"], path="/elsewhere/")
    assert [found["name"] for found in answer["channels"]] == ["$shop"]
    assert [found["name"] for found in answer["refused"]] == ["$desk"]
    assert "$desk" not in names(alice, "/desk/")


# in the admin and in the settings


@pytest.mark.parametrize(
    ("row_paths", "own_paths", "joined", "not_joined"),
    [
        (["/row/"], ["/own/"], ["/row/", "/own/"], ["/"]),
        ([], ["/own/"], ["/own/", "/", "/x/"], []),
        (["/row/"], [], ["/row/", "/", "/x/"], []),
    ],
)
def test_of_one_level_they_are_one_channel(
    alice: User,
    settings: Settings,
    row_paths: list[str],
    own_paths: list[str],
    joined: list[str],
    not_joined: list[str],
) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$both", own_paths]]
    Channel.objects.create(name="both", level="users", paths=row_paths)
    assert names(alice).count("$both") == 1
    for path in joined:
        assert names(alice, path).count("$both") == 1, path
    for path in not_joined:
        assert "$both" not in names(alice, path), path


@pytest.mark.parametrize("row_level", ["users", "groups", "superuser"])
def test_of_two_levels_the_settings_hold(alice: User, row_level: str, caplog: pytest.LogCaptureFixture) -> None:
    group = Group.objects.create(name="g")
    alice.groups.add(group)
    alice.is_superuser = True
    alice.save()
    Channel.objects.create(name="staff", level=row_level).groups.add(group)
    with caplog.at_level(logging.WARNING, "instant"):
        for _ in range(3):
            assert not may_join(alice, "$staff")  # the row would let her in
    assert caplog.text.count("a channel of the admin is ignored: INSTANT_STAFF_CHANNELS declares '$staff'") == 1
    assert audience_of("$staff") == set()
    boss = User.objects.create_user("boss", is_staff=True)
    assert channels_for(boss, "/")[0] == Access("$staff", "staff")
    assert audience_of("$staff") == {str(boss.pk)}
    assert list(members(Channel.objects.get())) == [boss]


def test_an_inactive_row_closes_nothing(alice: User) -> None:
    Channel.objects.create(name="users", level="users", is_active=False)
    assert may_join(alice, "$users")
    assert audience_of("$users") == {str(alice.pk)}


# endpoints


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


def post(browser: Client, path: str, content: Any) -> HttpResponse:
    return browser.generic("POST", path, json.dumps(content), content_type="application/json")


def answered(response: HttpResponse) -> list[str]:
    assert response.status_code == 200
    return [found["name"] for found in response.json()["channels"] if found["level"] != "user"]


def test_the_endpoints_give_tokens(browser: Client) -> None:
    everything = ["$shop", "$users", "home", "news"]
    assert answered(browser.get("/instant/get_token/")) == everything
    assert answered(post(browser, "/instant/subscribe/", {})) == everything
    assert answered(post(browser, "/instant/subscribe/", {"channel": "$shop"})) == ["$shop"]
    assert post(browser, "/instant/subscribe/", {"channel": "$staff"}).status_code == 403


def test_get_token_takes_a_path(browser: Client, settings: Settings) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$size", ["/größe/"]], ["$shop", ["/shop/"]]]
    for path, wanted in (
        ("/shop/", ["$shop", "news"]),
        ("/", ["home", "news"]),
        ("", ["news"]),
        (None, ["$shop", "$size", "home", "news"]),
        ("/größe/", ["$size", "news"]),
        ("/gr%C3%B6%C3%9Fe/", ["$size", "news"]),  # as a browser's location.pathname
        ("\0\ud800%", ["news"]),
    ):
        assert answered(post(browser, "/instant/get_token/", {"path": path})) == wanted, path
    named = {"channels": ["$shop"], "path": "/"}
    assert answered(post(browser, "/instant/get_token/", named)) == ["$shop"]


@pytest.mark.parametrize("path", [1, True, False, [], ["/"], {}, 0])
def test_a_path_is_text(browser: Client, path: Any) -> None:
    response = post(browser, "/instant/get_token/", {"path": path})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_path")


def test_the_default_channel_is_joined_everywhere(browser: Client, settings: Settings) -> None:
    settings.INSTANT_ENABLE_PUBLIC_CHANNEL = True
    assert "site_public" in answered(post(browser, "/instant/get_token/", {"path": "/x/"}))
