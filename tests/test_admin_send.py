"""The page of the admin that sends a message to channels."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from pytest_django import Settings

from instant.models import Channel
from instant.testing import Published
from instant.testing.live_servers import free_port
from tests.fakes import answer, fake_server

pytestmark = pytest.mark.django_db

LIST, ADD = "/admin/instant/channel/", "/admin/instant/channel/add/"
XSS = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def no_server(settings: Settings) -> None:
    """Nobody listens, but where a test says so."""
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pw"))
    return client


@pytest.fixture
def staff() -> Callable[..., Client]:
    """staff("view", "change"): the browser of somebody with these permissions on channels."""

    def logged_in(*actions: str) -> Client:
        user = User.objects.create_user("editor", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=[f"{action}_channel" for action in actions]))
        client = Client()
        client.force_login(user)
        return client

    return logged_in


def page(response: HttpResponse) -> str:
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def send(client: Client, *channels: Channel, follow: bool = True, **fields: Any) -> HttpResponse:
    content = {"action": "send_message", ACTION_CHECKBOX_NAME: [row.pk for row in channels], "send": "Send", **fields}
    return client.post(LIST, content, follow=follow)


def said(response: HttpResponse) -> list[tuple[str, str]]:
    return [(message.level_tag, message.message) for message in response.context["messages"]]


@pytest.fixture
def news() -> Channel:
    return Channel.objects.create(name="news", level="public")


@pytest.fixture
def users() -> Channel:
    return Channel.objects.create(name="users", level="users")


def test_the_action_asks_for_the_message_and_sends_nothing_yet(
    admin: Client, news: Channel, users: Channel, published: Published
) -> None:
    response = admin.post(LIST, {"action": "send_message", ACTION_CHECKBOX_NAME: [news.pk, users.pk]})
    text = page(response)
    assert "$users" in text
    assert "news" in text
    assert list(response.context["form"].fields) == ["message", "event_class", "bucket", "data"]
    assert not response.context["form"].errors
    assert "csrfmiddlewaretoken" in text.split('<form method="post">')[1]
    assert [row.name for row in response.context["channels"]] == ["$users", "news"]
    assert list(published) == []


def test_a_message_goes_to_each_channel_and_the_page_says_so(
    admin: Client, news: Channel, users: Channel, published: Published
) -> None:
    fields = {"message": "Hello", "event_class": "info", "bucket": "b", "data": '{"n": 1}'}
    response = send(admin, news, users, **fields)
    assert response.redirect_chain == [(LIST, 302)]
    assert said(response) == [("success", "Sent to 2 channels.")]
    assert [(m.channel, m.message, m.event_class, m.bucket, m.data) for m in published] == [
        ("$users", "Hello", "info", "b", {"n": 1}),
        ("news", "Hello", "info", "b", {"n": 1}),
    ]


def test_empty_fields_are_not_sent(admin: Client, news: Channel, published: Published) -> None:
    assert said(send(admin, news, message="Hello")) == [("success", "Sent to 1 channel.")]
    (message,) = published
    assert set(json.loads(message.payload)) == {"site", "uid", "timestamp", "message"}


@pytest.mark.parametrize("data", ["0", "false", "[]", "{}", '"text"', "[null]"])
def test_any_data_but_null_can_be_sent_alone(admin: Client, news: Channel, published: Published, data: str) -> None:
    send(admin, news, data=data)
    (message,) = published
    assert message.data == json.loads(data)
    assert message.message is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Enter a message, data or both."),
        ({"message": "  "}, "Enter a message, data or both."),
        ({"data": "null"}, "Enter a message, data or both."),
        ({"event_class": "info", "bucket": "b"}, "Enter a message, data or both."),
        ({"message": "x", "data": "{"}, "Enter a valid JSON."),
        ({"message": "x", "data": "NaN"}, "cannot be sent as JSON"),
        ({"message": "x" * 900_001}, "900"),
    ],
)
def test_what_cannot_be_sent_is_a_form_error_and_what_was_typed_stays(
    admin: Client, news: Channel, published: Published, fields: dict[str, str], words: str
) -> None:
    response = send(admin, news, **fields)
    text = page(response)
    assert not hasattr(response, "redirect_chain") or response.redirect_chain == []
    assert words in str(response.context["form"].errors)
    assert words in text
    assert all(value in text for value in fields.values())
    assert list(published) == []


def test_a_name_that_cannot_be_published_to_is_a_form_error(admin: Client, news: Channel, published: Published) -> None:
    with override_settings(INSTANT_NAMESPACES={"gone": {}}):
        gone = Channel.objects.create(name="gone:chan", level="users")
    assert "no namespace 'gone'" in page(send(admin, news, gone, message="Hello"))
    assert list(published) == []


def test_without_a_server_the_page_says_so_for_each_channel(admin: Client, news: Channel, users: Channel) -> None:
    response = send(admin, news, users, message="Hello")
    (first, second) = said(response)
    assert first[0] == second[0] == "error"
    assert "'$users'" in first[1]
    assert "'news'" in second[1]
    assert "no connection to the server" in first[1]


def test_of_two_channels_one_fails(admin: Client, news: Channel, users: Channel) -> None:
    replies = {"replies": [{"error": {"code": 102, "message": "unknown channel"}}, {"publish": {}}]}
    with fake_server(answer(replies)):
        (failed, sent) = said(send(admin, news, users, message="Hello"))
    assert failed[0] == "error"
    assert "'$users'" in failed[1]
    assert "102 unknown channel" in failed[1]
    assert sent == ("success", "Sent to 1 channel.")


def test_more_channels_than_a_form_may_have_fields(admin: Client, published: Published) -> None:
    Channel.objects.bulk_create(Channel(name=f"c{number:04}", level="users") for number in range(1100))
    first = Channel.objects.get(name="$c0000")
    chosen = {"action": "send_message", ACTION_CHECKBOX_NAME: [first.pk], "select_across": "1"}
    text = page(admin.post(LIST, chosen))
    assert text.count('type="hidden"') < 10
    assert 'name="select_across" value="1"' in text
    response = send(admin, first, message="Hello", select_across="1")
    assert said(response) == [("success", "Sent to 1100 channels.")]
    assert len(published) == 1100


def test_channels_that_are_gone_are_said_to_be_none(admin: Client, news: Channel, published: Published) -> None:
    gone = Channel(pk=news.pk)
    news.delete()
    assert said(send(admin, gone, message="Hello")) == [("success", "Sent to 0 channels.")]


def test_who_may_only_look_may_not_send(staff: Callable[..., Client], news: Channel, published: Published) -> None:
    viewer = staff("view")
    assert "send_message" not in page(viewer.get(LIST))
    for follow in (False, True):
        response = send(viewer, news, message="Hello", follow=follow)
        assert response.status_code in (200, 302, 403)
    assert list(published) == []


def test_who_may_change_may_send(staff: Callable[..., Client], news: Channel, published: Published) -> None:
    send(staff("view", "change"), news, message="Hello")
    assert len(published) == 1


def test_who_may_nothing_sees_nothing(staff: Callable[..., Client], news: Channel, published: Published) -> None:
    nobody = staff()
    assert nobody.get(LIST).status_code == 403
    assert send(nobody, news, message="Hello").status_code == 403
    assert list(published) == []


def test_sending_needs_a_csrf_token(news: Channel, published: Published) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert send(client, news, message="Hello").status_code == 403
    assert list(published) == []


def test_no_script_gets_into_a_page(admin: Client) -> None:
    channel = Channel.objects.create(name=XSS, level="public")
    pages = [
        admin.get(LIST),
        admin.get(reverse("admin:instant_channel_change", args=[channel.pk])),
        admin.post(LIST, {"action": "send_message", ACTION_CHECKBOX_NAME: [channel.pk]}),
        send(admin, channel, event_class=XSS, bucket=XSS),
        send(admin, channel, message=XSS, data="{" + XSS),
        send(admin, channel, message=XSS),  # fails: the name is in what is said
        admin.post(ADD, {"name": XSS, "level": "public"}),
    ]
    for response in pages:
        assert response.status_code == 200
        text = response.content.decode()
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
