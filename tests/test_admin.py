"""The admin: rows, and what it shows of a channel; the page that sends is in test_admin_send."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from instant.centrifugo import cent_api
from instant.exceptions import ServerError
from instant.models import Channel
from instant.testing.live_servers import free_port
from tests.fakes import answer, fake_server

pytestmark = pytest.mark.django_db

LIST, ADD = "/admin/instant/channel/", "/admin/instant/channel/add/"


@pytest.fixture(autouse=True)
def no_server(settings: Settings) -> None:
    """Nobody listens, but where a test says so."""
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pw"))
    return client


def page(response: HttpResponse) -> str:
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def add(client: Client, **fields: Any) -> HttpResponse:
    return client.post(ADD, {"name": "chan", "level": "users", "is_active": "on", **fields})


def change_page(client: Client, channel: Channel) -> HttpResponse:
    return client.get(reverse("admin:instant_channel_change", args=[channel.pk]))


def errors(response: HttpResponse) -> dict[str, list[str]]:
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


# Rows


def test_adding_writes_the_name_that_the_level_asks_for(admin: Client) -> None:
    assert add(admin).status_code == 302
    assert Channel.objects.get().name == "$chan"


def test_changing_the_level_renames(admin: Client) -> None:
    channel = Channel.objects.create(name="chan", level="users")
    path = reverse("admin:instant_channel_change", args=[channel.pk])
    assert admin.post(path, {"name": "$chan", "level": "public", "is_active": "on"}).status_code == 302
    assert Channel.objects.values_list("name", "level").get() == ("chan", "public")


@pytest.mark.parametrize(("name", "level"), [("users", "users"), ("$users", "users"), ("users", "staff")])
def test_a_duplicate_name_is_a_form_error(admin: Client, name: str, level: str) -> None:
    Channel.objects.create(name="users", level="users")
    assert errors(add(admin, name=name, level=level)) == {"name": ["Channel with this Name already exists."]}
    assert Channel.objects.count() == 1


def test_a_change_into_a_duplicate_is_a_form_error(admin: Client) -> None:
    Channel.objects.create(name="users", level="users")
    public = Channel.objects.create(name="users", level="public")
    path = reverse("admin:instant_channel_change", args=[public.pk])
    assert list(errors(admin.post(path, {"name": "users", "level": "staff"}))) == ["name"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "This field is required."),
        ("gone:chan", "no namespace 'gone'"),
        ("ü", "printable ASCII"),
        ("a\nb", "printable ASCII"),
        ("$", "needs a name after it"),
        ("x" * 120, "121 characters"),
        ("x" * 121, "at most 120"),
        ("a\0b", "Null characters"),
    ],
)
def test_a_wrong_name_is_one_form_error(admin: Client, name: str, words: str) -> None:
    found = errors(add(admin, name=name))
    assert list(found) == ["name"]
    (text,) = found["name"]
    assert words in text
    assert not Channel.objects.exists()


def test_the_list_has_filters_and_a_search(admin: Client) -> None:
    group = Group.objects.create(name="editors")
    Channel.objects.create(name="desk", level="groups").groups.add(group)
    Channel.objects.create(name="news", level="public", is_active=False).groups.add(group)

    def names(query: str) -> list[str]:
        return [row.name for row in admin.get(f"{LIST}?{query}").context["cl"].result_list]

    assert names("") == ["$desk", "news"]
    assert names("q=esk") == ["$desk"]
    assert names("level__exact=public") == ["news"]
    assert names("is_active__exact=1") == ["$desk"]
    assert names(f"groups__id__exact={group.pk}") == ["$desk", "news"]
    text = page(admin.get(LIST))
    assert text.count("editors</td>") == 1  # groups are shown where they count


def test_the_list_takes_a_constant_number_of_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    group = Group.objects.create(name="editors")
    for number in range(30):
        Channel.objects.create(name=f"c{number}", level="groups").groups.add(group)
    with django_assert_max_num_queries(9):
        admin.get(LIST)


def test_groups_are_chosen_with_the_filter_widget_and_its_script_is_there(admin: Client) -> None:
    text = page(admin.get(ADD))
    assert 'data-field-name="groups"' in text or 'class="selectfilter"' in text
    assert "field-groups" in text
    assert "/static/instant/admin/channel.js" in text
    script = finders.find("instant/admin/channel.js")
    assert script is not None


def test_groups_are_saved(admin: Client) -> None:
    group = Group.objects.create(name="editors")
    add(admin, name="desk", level="groups", groups=[group.pk])
    assert list(Channel.objects.get(name="$desk").groups.all()) == [group]


# Paths


def test_paths_are_lines(admin: Client) -> None:
    assert add(admin, paths="/a/\r\n\r\n  /b/* \r\n/a/").status_code == 302
    channel = Channel.objects.get()
    assert channel.paths == ["/a/", "/b/*"]
    text = page(change_page(admin, channel))
    assert "/a/\n/b/*</textarea>" in text
    path = reverse("admin:instant_channel_change", args=[channel.pk])
    fields = {"name": "$chan", "level": "users", "is_active": "on"}
    assert admin.post(path, {**fields, "paths": "/a/\r\n/b/*"}).status_code == 302
    assert "No fields changed" in page(admin.get(reverse("admin:instant_channel_history", args=[channel.pk])))
    assert admin.post(path, {**fields, "paths": ""}).status_code == 302
    channel.refresh_from_db()
    assert channel.paths == []
    assert "Changed Paths" in page(admin.get(reverse("admin:instant_channel_history", args=[channel.pk])))


def test_a_wrong_path_is_one_form_error_and_the_lines_stay(admin: Client) -> None:
    response = add(admin, paths="/a/\r\nb/")
    found = errors(response)
    assert list(found) == ["paths"]
    assert "'b/' does not" in found["paths"][0]
    assert "b/</textarea>" in page(response)
    assert list(errors(add(admin, paths="/a\0/"))) == ["paths"]
    assert not Channel.objects.exists()


# Channels of the settings


def test_a_level_that_the_settings_deny_is_a_form_error(admin: Client, settings: Settings) -> None:
    settings.INSTANT_STAFF_CHANNELS = [["$desk"]]
    found = errors(add(admin, name="desk", level="users"))
    assert list(found) == ["level"]
    assert "INSTANT_STAFF_CHANNELS" in found["level"][0]
    assert add(admin, name="desk", level="staff").status_code == 302


def test_who_may_join_is_what_the_settings_say(admin: Client, settings: Settings) -> None:
    User.objects.create_user("plain")
    row = Channel.objects.create(name="desk", level="users", is_active=False)
    assert who_may_join(admin, row) == "Nobody: the channel is not active"
    settings.INSTANT_STAFF_CHANNELS = [["$desk"]]
    assert who_may_join(admin, row) == "1 user"  # root


# Who may join, and who is there


def who_may_join(client: Client, channel: Channel) -> str:
    text = page(change_page(client, channel))
    return text.split("Who may join:")[1].split('class="readonly">')[1].split("</div>")[0]


def test_who_may_join_is_counted(admin: Client) -> None:
    group = Group.objects.create(name="editors")
    for number in range(3):
        User.objects.create_user(f"user{number}").groups.add(group)
    User.objects.create_user("gone", is_active=False).groups.add(group)
    desk = Channel.objects.create(name="desk", level="groups")
    desk.groups.set([group, Group.objects.create(name="empty")])
    assert who_may_join(admin, desk) == "3 users"
    assert who_may_join(admin, Channel.objects.create(name="users", level="users")) == "4 users"
    assert who_may_join(admin, Channel.objects.create(name="root", level="superuser")) == "1 user"
    off = Channel.objects.create(name="off", level="users", is_active=False)
    assert who_may_join(admin, off) == "Nobody: the channel is not active"


def test_the_subscribers_are_asked_from_the_server(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(cent_api, "subscribers", lambda name: asked.append(name) or 1234)
    assert ">1234<" in page(change_page(admin, Channel.objects.create(name="users", level="users")))
    assert asked == ["$users"]
    page(admin.get(ADD))
    page(admin.get(LIST))
    assert asked == ["$users"]


def test_without_a_server_the_page_says_so_in_plain_words(admin: Client) -> None:
    text = page(change_page(admin, Channel.objects.create(name="users", level="users")))
    assert "Server not reachable<" in text


def test_an_error_of_the_server_is_shown(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str) -> int:
        raise ServerError("the server refused the API key", code=401)

    monkeypatch.setattr(cent_api, "subscribers", refused)
    text = page(change_page(admin, Channel.objects.create(name="users", level="users")))
    assert "the server refused the API key" in text


def test_what_is_no_centrifugo_makes_no_500(admin: Client) -> None:
    channel = Channel.objects.create(name="users", level="users")
    for wrong in (answer(b"<html>"), answer(b"[]"), answer({"result": {}}), answer(b"", 500), answer(b"", 404)):
        with fake_server(wrong):
            assert "Server not reachable" in page(change_page(admin, channel))
