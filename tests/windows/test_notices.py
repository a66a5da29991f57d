"""Messages of Django's messages framework, in windows that are open."""

from __future__ import annotations

import pytest
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.backends.cache import SessionStore
from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from instant.exceptions import InvalidTopic, PublishError
from instant.testing.signals import SignalQueue
from instant.windows import deliver_messages


@pytest.fixture
def request_of_ann(db: None) -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = User.objects.create_user("ann", pk=7)
    request.session = SessionStore()
    MessageMiddleware(lambda request: None).process_request(request)
    return request


def test_all_of_a_request(request_of_ann: HttpRequest) -> None:
    messages.success(request_of_ann, gettext_lazy("<saved>"), extra_tags="big")
    messages.error(request_of_ann, format_html("<b>{}</b>", "<no>"))
    with SignalQueue() as fd:
        assert deliver_messages(request_of_ann) == 2
        assert deliver_messages(request_of_ann, to=1) == 2, "as often as they are asked for, until the answer is made"
    found = [{"message": "<saved>", "tags": "big success"}, {"html": "<b>&lt;no&gt;</b>", "tags": "error"}]
    assert fd.ws_signals == {name: [("messages.add", {"messages": found})] for name in ("-user.7", "-int.1")}
    assert messages.get_messages(request_of_ann).used, "the next page does not show them again"


def test_what_was_delivered_is_not_delivered_again(request_of_ann: HttpRequest) -> None:
    with SignalQueue() as fd:
        for text in ("a", "b"):
            messages.info(request_of_ann, text)
            assert deliver_messages(request_of_ann) == 1
    found = [{"messages": [{"message": text, "tags": "info"}]} for text in ("a", "b")]
    assert fd.ws_signals == {"-user.7": [("messages.add", each) for each in found]}


def test_none_is_no_signal(request_of_ann: HttpRequest) -> None:
    with SignalQueue() as fd:
        assert deliver_messages(request_of_ann) == 0
        assert deliver_messages(RequestFactory().get("/")) == 0
    assert fd.ws_signals == {}


@pytest.mark.django_db(transaction=True)
def test_they_are_kept_for_the_next_page_where_the_server_is_away(
    request_of_ann: HttpRequest, settings: Settings
) -> None:
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", 9
    messages.info(request_of_ann, "x")
    with pytest.raises(PublishError):
        deliver_messages(request_of_ann)
    assert not messages.get_messages(request_of_ann).used


@pytest.mark.django_db(transaction=True)
def test_they_are_kept_where_the_transaction_is_rolled_back(request_of_ann: HttpRequest) -> None:
    messages.info(request_of_ann, "x")
    with SignalQueue() as fd:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            assert deliver_messages(request_of_ann) == 1
            1 / 0  # noqa: B018
        assert fd.ws_signals == {}
    assert not messages.get_messages(request_of_ann).used
    assert [str(message) for message in messages.get_messages(request_of_ann)] == ["x"]


@pytest.mark.django_db(transaction=True)
def test_they_are_kept_where_the_server_is_away_at_the_commit(
    request_of_ann: HttpRequest, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", 9
    messages.info(request_of_ann, "x")
    with transaction.atomic():
        assert deliver_messages(request_of_ann) == 1
    assert not messages.get_messages(request_of_ann).used
    assert "the next page shows these messages" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_wrong_target_is_an_error_at_once(request_of_ann: HttpRequest) -> None:
    messages.info(request_of_ann, "x")
    with transaction.atomic(), pytest.raises(InvalidTopic):
        deliver_messages(request_of_ann, to=object())
    assert not messages.get_messages(request_of_ann).used
