"""Topics of pages end: by recheck(topics=[…]), and with the permission that a page got with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import call_command
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from instant.access.guards import is_staff
from instant.access.named_guards import name_of
from instant.exceptions import InvalidSetting, InvalidTopic
from instant.middleware import InstantMiddleware
from instant.models import Channel, RecheckedTopic, Revocation
from instant.protocol import REVOKED_CODE
from instant.revocation import recheck, repeating
from instant.testing import LiveServer
from instant.windows import set_websocket_topics
from instant.windows.topics import channel_of
from instant.windows.window_info import WindowInfo
from tests.clients import SyncClient
from tests.features import use_features
from tests.live_pages import credentials, credentials_of_page, render

pytestmark = pytest.mark.django_db(transaction=True)

#: Whom `is_editor` allows.
EDITORS: set[str] = set()


def is_editor(user: User) -> bool:
    return user.get_username() in EDITORS


def fails(user: User) -> bool:
    raise ValueError("on purpose")


@pytest.fixture(autouse=True)
def windows_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)
    monkeypatch.setattr(repeating, "start", lambda: None)  # what it does is called by the tests
    EDITORS.clear()
    EDITORS.add("alice")


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw", is_staff=True)


def page(
    user: User | AnonymousUser, browser: Client, topics: Any = ("desk",), permission: Any = None
) -> dict[str, Any]:
    """Return what a page gets whose view begins now."""
    return credentials_of_page(user, browser, topics, permission)


def channel(topic: Any = "desk") -> str:
    return channel_of(topic, WindowInfo()) or ""


def token(answer: dict[str, Any], name: str) -> str | None:
    return next((each["token"] for each in answer["channels"] if each["name"] == name), None)


def get_token(browser: Client, answer: dict[str, Any], **content: Any) -> dict[str, Any]:
    content = {"window": answer["window"], **content}
    found: dict[str, Any] = browser.post("/instant/get_token/", content, content_type="application/json").json()
    return found


@pytest.fixture
def joined(server: LiveServer) -> Iterator[Callable[..., SyncClient]]:
    clients: list[SyncClient] = []

    def join(answer: dict[str, Any], name: str = "") -> SyncClient:
        client = SyncClient(server.websocket_url, answer["ws_token"]).__enter__()
        clients.append(client)
        client.join(name or channel(), token(answer, name or channel()) or "")
        return client

    yield join
    for client in clients:
        client.__exit__(None, None, None)


def look_again() -> None:
    Revocation.objects.update(next_at="2000-01-01T00:00Z")
    repeating.repeat_due()


def has_left(client: SyncClient, name: str = "") -> bool:
    return client.wait_for(f"unsubscribed {name or channel()}") == 2000


# recheck(topics=[…])


def test_pages_lose_a_topic_that_is_rechecked(alice: User, browser: Client, joined: Callable[..., SyncClient]) -> None:
    before = page(alice, browser)
    client = joined(before)
    recheck(topics=["desk"])
    assert has_left(client)
    again = get_token(browser, before)
    assert again["window"] is None
    assert token(again, channel()) is None


def test_what_a_client_saved_opens_the_topic_for_a_moment_only(
    alice: User, browser: Client, joined: Callable[..., SyncClient]
) -> None:
    before = page(alice, browser)
    recheck(topics=["desk"])
    client = joined(before)
    look_again()
    assert has_left(client)


def test_a_page_that_began_later_keeps_it(alice: User, browser: Client, joined: Callable[..., SyncClient]) -> None:
    recheck(topics=["desk"])
    time.sleep(0.002)
    after = page(alice, browser)
    client = joined(after)
    look_again()
    assert get_token(browser, after)["window"] == after["window"]
    assert get_token(browser, after, channels=[channel()])["refused"] == []
    assert client.happened[-1][0].startswith("subscribed")


def test_other_topics_stay(alice: User, browser: Client, joined: Callable[..., SyncClient]) -> None:
    before = page(alice, browser, ["other"])
    client = joined(before, channel("other"))
    recheck(topics=["desk"])
    assert get_token(browser, before)["window"] == before["window"]
    assert client.happened[-1][0].startswith("subscribed")


def test_a_page_that_began_before_the_commit_loses_it(
    alice: User, browser: Client, joined: Callable[..., SyncClient]
) -> None:
    with transaction.atomic():
        recheck(topics=["desk"])
        before = page(alice, browser)
        client = joined(before)
    assert has_left(client)
    assert get_token(browser, before)["window"] is None


def test_a_transaction_that_rolls_back_takes_nothing(alice: User, browser: Client) -> None:
    before = page(alice, browser)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        recheck(topics=["desk"])
        1 / 0  # noqa: B018
    assert get_token(browser, before)["window"] == before["window"]
    assert not RecheckedTopic.objects.exists()


def test_the_request_counts_and_not_its_end(alice: User, browser: Client) -> None:
    """A view may have read before the recheck what it decides by."""
    request = RequestFactory().get("/page/")
    request.user, request.session = alice, browser.session

    def view(request: Any) -> HttpResponse:
        recheck(topics=["desk"])
        time.sleep(0.002)
        set_websocket_topics(request, "desk")
        return HttpResponse(render(request))

    response: Any = InstantMiddleware(view)(request)
    assert get_token(browser, credentials(response.content.decode()))["window"] is None


def test_objects_and_numbers_by_the_command(alice: User, browser: Client) -> None:
    thing = Channel.objects.create(name="thing", level="public")
    for topic, name in (
        ("desk", "desk"),
        (5, "5"),
        (-5, "-5"),
        (Channel, "instant.Channel"),
        (thing, f"instant.Channel.{thing.pk}"),
    ):
        before = page(alice, browser, [topic])
        call_command("recheck", topics=["no.Model.5", name])
        assert get_token(browser, before)["window"] is None, topic
    assert not Revocation.objects.exclude(user="").exists()  # only topics were looked at


def test_text_that_looks_like_an_object_is_text(alice: User, browser: Client) -> None:
    before = page(alice, browser, ["instant.Channel.old"])
    call_command("recheck", topics=["instant.Channel.old"])
    assert get_token(browser, before)["window"] is None


def test_one_change_twice_is_one_row_and_old_rows_go(alice: User) -> None:
    RecheckedTopic.objects.create(channel="$page:old", at=time.time() - 3_000_000)
    for _ in range(3):
        recheck(topics=["desk", "desk", "other"])
    assert sorted(RecheckedTopic.objects.values_list("channel", flat=True)) == sorted([channel(), channel("other")])
    assert Revocation.objects.count() == 2


def test_what_is_no_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidTopic):
        recheck(topics=[object()])
    use_features(monkeypatch, windows=False)
    with pytest.raises(InvalidSetting):
        recheck(topics=["desk"])
    recheck(topics=[])


@override_settings(INSTANT_STRICT=True)
def test_strict_topics(server: LiveServer, alice: User, browser: Client) -> None:
    before = page(alice, browser)
    with SyncClient(server.websocket_url, before["ws_token"]) as client:
        found = get_token(browser, before, client=client.client.client_id)
        client.join(channel(), token(found, channel()) or "")
        recheck(topics=["desk"])
        assert client.wait_for("disconnected") == REVOKED_CODE


# permission=


@pytest.mark.parametrize("permission", [is_editor, "instant.add_channel", is_staff])
def test_a_permission_is_asked_when_the_page_is_rendered(alice: User, browser: Client, permission: Any) -> None:
    EDITORS.clear()
    alice.is_staff = False
    alice.save()
    found = page(alice, browser, permission=permission)
    assert token(found, channel()) is None
    again = get_token(browser, found)
    assert again["window"] == found["window"]  # what each page has stays


def test_who_is_allowed_keeps_the_topic(alice: User, browser: Client, joined: Callable[..., SyncClient]) -> None:
    found = page(alice, browser, permission=is_editor)
    client = joined(found)
    recheck(topics=["desk"])
    recheck(users=[alice])
    again = get_token(browser, found)
    assert again["window"] == found["window"]
    assert token(again, channel())
    assert client.happened[-1][0].startswith("subscribed")


@pytest.mark.parametrize("cause", ["topic", "user"])
def test_who_is_denied_loses_it(alice: User, browser: Client, joined: Callable[..., SyncClient], cause: str) -> None:
    found = page(alice, browser, permission=is_editor)
    client = joined(found)
    EDITORS.clear()
    assert get_token(browser, found)["window"] is None
    recheck(topics=["desk"] if cause == "topic" else (), users=[alice] if cause == "user" else ())
    assert has_left(client)


def test_a_visitor(browser: Client, joined: Callable[..., SyncClient]) -> None:
    EDITORS.add("")
    with override_settings(INSTANT_ALLOW_ANONYMOUS=True):
        found = page(AnonymousUser(), Client(), permission=is_editor)
        client = joined(found)
        EDITORS.clear()
        recheck(topics=["desk"])
        assert has_left(client)


def test_one_that_raises_denies(alice: User, browser: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert token(page(alice, browser, permission=fails), channel()) is None
    assert "fails' of a page's topics failed, so access is denied" in caplog.text


def test_one_that_is_gone_denies(alice: User, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    found = page(alice, browser, permission=is_editor)
    monkeypatch.delattr("tests.revocation.test_topics.is_editor")
    assert get_token(browser, found)["window"] is None


@pytest.mark.parametrize("permission", [lambda user: True, User, object(), "no permission", 1])
def test_what_is_none_or_has_no_name(alice: User, browser: Client, permission: Any) -> None:
    with pytest.raises(TypeError):
        page(alice, browser, permission=permission)


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner(user: User) -> bool:
        return True

    assert name_of(is_staff) == "is_staff"
    assert name_of("app.do") == "has_perm:app.do"
    assert name_of(is_editor) == "tests.revocation.test_topics:is_editor"
    with pytest.raises(TypeError, match="cannot be found by a name"):
        name_of(inner)
    monkeypatch.setattr(is_editor, "__module__", "__main__")  # another process has another one of that name
    with pytest.raises(TypeError, match="cannot be found by a name"):
        name_of(is_editor)
