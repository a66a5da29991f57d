from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core import signing
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from instant.channels.namespaces import check_name
from instant.exceptions import InvalidSetting, InvalidTopic
from instant.windows import BROADCAST, SERVER, USER, WINDOW, WindowInfo, serialize_topic, set_websocket_topics, topics
from instant.windows.window_keys import window_key
from tests.blog.models import News, Post

INFO = WindowInfo(window_key="w", user_id="7")


def test_names(db: None) -> None:
    post = Post.objects.create(title="x")
    named = [1, "text", Post, post, News.objects.get(), WINDOW, USER, BROADCAST]
    assert [serialize_topic(INFO, topic) for topic in named] == [
        "-int.1",
        "-str.text",
        "-blog.Post",
        f"-blog.Post.{post.pk}",
        f"-blog.Post.{post.pk}",
        "-window.w",
        "-user.7",
        "-broadcast",
    ]


def test_no_window_and_no_user_is_nobody() -> None:
    assert serialize_topic(WindowInfo(), WINDOW) is None
    assert serialize_topic(None, USER) is None
    assert topics.channel_of(USER, WindowInfo()) is None


@pytest.mark.parametrize("topic", [None, True, 1.5, [], object(), SERVER, str, Post(title="not saved")])
def test_what_is_no_topic(topic) -> None:
    with pytest.raises(InvalidTopic):
        serialize_topic(INFO, topic)


def test_an_app_with_a_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Group._meta, "app_label", "user")
    assert serialize_topic(INFO, Group) == "-model.user.Group", "no user has this id"


@given(st.one_of(st.text(), st.integers()), st.one_of(st.text(), st.integers()))
def test_other_topics_have_other_channels(first, second) -> None:
    channels = [topics.channel_of(topic, INFO) for topic in (first, second)]
    assert (channels[0] == channels[1]) == (first == second and type(first) is type(second))
    assert re.fullmatch(r"\$page:[0-9a-f]{32}", channels[0])
    assert check_name(channels[0]) == channels[0]


def test_the_key_is_the_sites(settings: Settings) -> None:
    before = topics.channel_of("text", INFO)
    settings.SECRET_KEY = "x" * 50
    assert topics.channel_of("text", INFO) != before


def serializer(window_info, obj):
    return f"of-{obj}" if obj != "nothing" else 5


@pytest.mark.parametrize("setting", ["INSTANT_TOPIC_SERIALIZER", "WEBSOCKET_TOPIC_SERIALIZER"])
def test_a_serializer_of_the_project(settings: Settings, setting: str) -> None:
    setattr(settings, setting, f"{__name__}.serializer")
    assert topics.serialized(1.5, INFO) == "of-1.5"
    with pytest.raises(InvalidTopic, match="INSTANT_TOPIC_SERIALIZER"):
        topics.serialized("nothing", INFO)


def test_the_serializer_of_df_websockets_is_ours(settings: Settings) -> None:
    settings.WEBSOCKET_TOPIC_SERIALIZER = "df_websockets.topics.serialize_topic"
    assert topics.serialized(1, INFO) == "-int.1"
    settings.WEBSOCKET_TOPIC_SERIALIZER = "nowhere.function"
    with pytest.raises(InvalidSetting, match="nowhere"):
        topics.serialized(1, INFO)


def page_of(user=None):
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    return request


def test_a_page_without_topics_has_a_window() -> None:
    request = page_of()
    window = topics.window_of(request)
    assert window.key == window_key(request)
    assert window.channels == (topics.own_channel(window.key), topics.channel_of(BROADCAST, INFO))


def test_topics_of_a_page(db: None) -> None:
    ann = User.objects.create_user("ann")
    request = page_of(ann)
    set_websocket_topics(request, ["a", 1, User, ann, "a"])
    info = WindowInfo.from_request(request)
    expected = [topics.channel_of(topic, info) for topic in (WINDOW, USER, BROADCAST, "a", 1, User, ann)]
    assert list(topics.window_of(request).channels) == expected
    set_websocket_topics(request, "b", 2)
    assert len(topics.window_of(request).channels) == 5, "the last call counts"
    set_websocket_topics(request, "text")
    assert topics.window_of(request).channels[-1] == topics.channel_of("text", info)


def test_too_many_topics(settings: Settings) -> None:
    settings.INSTANT_MAX_TOPICS = 3
    set_websocket_topics(page_of(), [1, 2, 3, 3])
    with pytest.raises(InvalidTopic, match="INSTANT_MAX_TOPICS is 3"):
        set_websocket_topics(page_of(), [1, 2, 3, 4])


def test_a_request_of_rest_framework() -> None:
    class Wrapped:
        def __init__(self, request) -> None:
            self._request = request

        def __getattr__(self, name):
            return getattr(self._request, name)

    request = page_of()
    set_websocket_topics(Wrapped(request), ["a"])
    assert len(topics.window_of(request).channels) == 3


WINDOW_OF_ANN = topics.Window("w", ("$page:1", "$page:2"))


def test_a_signed_window_comes_back() -> None:
    blob = topics.signed(WINDOW_OF_ANN, "7", "session")
    assert topics.read(blob, "7", "session") == WINDOW_OF_ANN


def test_nobody_else_can_use_it(settings: Settings) -> None:
    blob = topics.signed(WINDOW_OF_ANN, "7", "session")
    assert topics.read(blob, "8", "session") is None
    assert topics.read(blob, "", "session") is None
    assert topics.read(blob, "7", "other") is None
    assert topics.read(blob, "7", "") is None
    settings.SECRET_KEY = "x" * 50
    assert topics.read(blob, "7", "session") is None
    settings.SECRET_KEY_FALLBACKS = ["tests-only-secret-key-of-more-than-fifty-characters-0123456789"]
    assert topics.read(blob, "7", "session") == WINDOW_OF_ANN


def test_it_gets_old(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.SESSION_COOKIE_AGE = 60
    blob = topics.signed(WINDOW_OF_ANN, "7", "session")
    later = (timezone.now() + timedelta(seconds=62)).timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert topics.read(blob, "7", "session") is None


@given(st.one_of(st.text(), st.none(), st.integers(), st.binary(), st.dictionaries(st.text(), st.text())))
def test_what_we_did_not_sign(blob) -> None:
    assert topics.read(blob, "7", "session") is None


def test_what_is_signed_for_something_else() -> None:
    assert topics.read(signing.dumps({"w": "w", "u": "7", "s": "session", "c": []}), "7", "session") is None
    assert topics.read(signing.dumps(5, salt="instant.window"), "7", "session") is None
