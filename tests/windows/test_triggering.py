from __future__ import annotations

import datetime
import json
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.test import RequestFactory
from pytest_django import Settings

from instant import protocol
from instant.exceptions import InvalidMessage, InvalidTopic, NotQueued, PublishError
from instant.testing import Published
from instant.testing.signals import SignalQueue
from instant.windows import BROADCAST, SERVER, USER, WINDOW, Deny, WindowInfo, atrigger, queues, signal, trigger
from instant.windows.topics import channel_of, window_of
from tests.fakes import answer, fake_server

INFO = WindowInfo(window_key="w", user_id="7")


class Encoder(DjangoJSONEncoder):
    def default(self, o):
        return sorted(o) if isinstance(o, set) else super().default(o)


def test_all_targets_are_one_broadcast() -> None:
    responses = [{"result": {"offset": 1, "epoch": "e"}}] * 6
    with fake_server(answer({"result": {"responses": responses}})) as server:
        trigger(INFO, "a.b", to=[WINDOW, USER, BROADCAST, "text", 42, Group, WINDOW], n=1)
    (request,) = server.requests
    assert request.path == "/api/broadcast", "and not one publish for each"
    body = request.json
    wanted = [WINDOW, USER, BROADCAST, "text", 42, Group]
    assert body["channels"] == [channel_of(topic, INFO) for topic in wanted]
    assert body["data"]["event_class"] == protocol.SIGNAL == "instant:signal"
    assert body["data"]["data"] == {"name": "a.b", "opts": {"n": 1}}
    assert body["idempotency_key"] == body["data"]["uid"]


def test_a_thousand_windows_are_one_request() -> None:
    responses = [{"result": {"offset": 1, "epoch": "e"}}] * 1000
    with fake_server(answer({"result": {"responses": responses}})) as server:
        trigger(None, "a.b", to=list(range(1000)), text="x" * 50_000)
    (request,) = server.requests
    assert request.path == "/api/broadcast"
    assert len(set(request.json["channels"])) == 1000


def test_window_is_the_default(published: Published) -> None:
    trigger(INFO, "a")
    assert [message.channel for message in published] == [channel_of(WINDOW, INFO)]


def test_the_window_of_the_page_that_is_rendered(published: Published) -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    trigger(request, "a", to=[WINDOW])
    assert published[0].channel == window_of(request).channels[0]


@pytest.mark.parametrize("to", [[], WINDOW, [WINDOW, USER], ()])
def test_who_is_not_there_is_no_error(published: Published, to) -> None:
    trigger(None, "a", to=to)
    published.assert_nothing_published()


def test_objects_of_a_queryset(db: None, signal_queue: SignalQueue) -> None:
    groups = [Group.objects.create(name=name) for name in "ab"]
    trigger(None, "a", to=Group.objects.order_by("pk"))
    assert list(signal_queue.ws_signals) == [f"-auth.Group.{group.pk}" for group in groups]


def test_arguments_may_have_any_name(signal_queue: SignalQueue) -> None:
    trigger(None, "a", to=1, name="n", window_info="w", request="r", kwargs={})
    assert signal_queue.ws_signals == {
        "-int.1": [("a", {"name": "n", "window_info": "w", "request": "r", "kwargs": {}})]
    }


def test_arguments_are_what_json_makes_of_them(signal_queue: SignalQueue) -> None:
    values = [1]
    trigger(None, "a", to=1, day=datetime.date(2026, 11, 21), price=Decimal("1.10"), values=values)
    values.append(2)
    assert signal_queue.ws_signals["-int.1"] == [("a", {"day": "2026-11-21", "price": "1.10", "values": [1]})]


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_what_json_cannot_hold_is_refused(value) -> None:
    with pytest.raises(InvalidMessage):
        trigger(None, "a", to=1, value=value)


@pytest.mark.parametrize("setting", ["INSTANT_SIGNAL_ENCODER", "WEBSOCKET_SIGNAL_ENCODER"])
def test_another_encoder(settings: Settings, signal_queue: SignalQueue, setting: str) -> None:
    setattr(settings, setting, f"{__name__}.Encoder")
    trigger(None, "a", to=1, value={2, 1})
    assert signal_queue.ws_signals["-int.1"] == [("a", {"value": [1, 2]})]


def test_a_target_that_cannot_be(signal_queue: SignalQueue) -> None:
    with pytest.raises(InvalidTopic):
        trigger(None, "a", to=[1.5])
    assert signal_queue.ws_signals == {}


class TestServer:
    def test_functions_are_called_with_the_info(self) -> None:
        called = []
        signal("a")(lambda window_info, n: called.append((window_info, n)))
        signal("a")(lambda window_info, **kwargs: called.append(kwargs))
        trigger(INFO, "a", to=SERVER, n=1)
        assert called == [(INFO, 1), {"n": 1}]

    def test_they_may_be_async(self) -> None:
        called = []

        @signal("a")
        async def function(window_info):
            called.append(1)

        trigger(INFO, "a", to=SERVER)
        assert called == [1]

    def test_what_they_raise_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        called = []
        signal("a")(lambda window_info: 1 / 0)
        signal("a")(lambda window_info: called.append(1))
        trigger(INFO, "a", to=SERVER)
        assert "ZeroDivisionError" in caplog.text
        assert called == [1]

    def test_what_they_refuse_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        @signal("a")
        def function(window_info, n: int):
            raise Deny(402, "pay first")

        trigger(INFO, "a", to=SERVER, n="x")
        trigger(INFO, "a", to=SERVER, n=1)
        assert "not an integer" in caplog.text
        assert "pay first" in caplog.text

    def test_language_and_time_zone_are_the_windows(self) -> None:
        from django.utils import translation

        found = []
        signal("a")(lambda window_info: found.append(translation.get_language()))
        trigger(WindowInfo(language="fr"), "a", to=SERVER)
        assert found == ["fr"]

    def test_nobody_is_connected(self) -> None:
        trigger(INFO, "a", to=SERVER)


class TestCommit:
    def test_it_waits(self, transactional_db: None, published: Published) -> None:
        called = []
        signal("a")(lambda window_info: called.append(1))
        with transaction.atomic():
            trigger(INFO, "a", to=[WINDOW, SERVER])
            assert (len(published), called) == (0, [])
        assert (len(published), called) == (1, [1])

    def test_a_rollback_calls_nothing(self, transactional_db: None, published: Published) -> None:
        called = []
        signal("a")(lambda window_info: called.append(1))
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            trigger(INFO, "a", to=[WINDOW, SERVER])
            raise ZeroDivisionError
        assert (len(published), called) == (0, [])

    def test_immediate(self, transactional_db: None, published: Published) -> None:
        called = []
        signal("a")(lambda window_info: called.append(1))
        with transaction.atomic():
            trigger(INFO, "a", to=[WINDOW, SERVER], immediate=True)
            assert (len(published), called) == (1, [1])
        assert (len(published), called) == (1, [1])

    def test_a_queue_that_is_away_breaks_no_commit(
        self, transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(queues, "has_celery", lambda: False)
        signal("a", queue="slow")(lambda window_info: None)
        with transaction.atomic():
            User.objects.create_user("ann")
            trigger(INFO, "a", to=SERVER)
        assert "pip install django-instant[celery]" in caplog.text
        assert User.objects.exists()
        with pytest.raises(NotQueued):
            trigger(INFO, "a", to=SERVER)

    def test_a_query_that_fails_spoils_no_transaction(
        self, transactional_db: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        @signal("a")
        def function(window_info):
            User.objects.create(username="ann")

        with transaction.atomic():
            User.objects.create(username="ann")
            trigger(INFO, "a", to=SERVER, immediate=True)
            User.objects.create(username="ben")
        assert "IntegrityError" in caplog.text
        assert User.objects.count() == 2


def test_a_server_that_is_away_is_raised_last(settings: Settings) -> None:
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1:9", None
    called = []
    signal("a")(lambda window_info: called.append(1))
    with pytest.raises(PublishError):
        trigger(INFO, "a", to=[WINDOW, SERVER])
    assert called == [1]


async def test_from_a_coroutine(signal_queue: SignalQueue) -> None:
    signal("a")(lambda window_info, n: None)
    await atrigger(INFO, "a", to=[SERVER, 1], n=1)
    assert signal_queue.ws_signals == {"-int.1": [("a", {"n": 1})]}
    assert list(signal_queue.python_signals) == [None]


class TestDelays:
    def test_what_is_due_later_is_queued(self, signal_queue: SignalQueue) -> None:
        signal("a")(lambda window_info: None)
        signal("a", queue="slow")(lambda window_info: None)
        trigger(INFO, "a", to=[SERVER, 1, WINDOW], countdown=5)
        info = INFO.to_dict()
        assert signal_queue.ws_signals == {}
        assert signal_queue.python_signals == {
            None: [
                ["a", info, {}, False, ["-int.1", "-window.w"], False, None],
                ["a", info, {}, False, None, True, ""],
            ],
            "slow": [["a", info, {}, False, None, True, "slow"]],
        }
        signal_queue.execute_delayed_signals()
        assert list(signal_queue.ws_signals) == ["-int.1", "-window.w"]

    @pytest.mark.parametrize("delay", [{"countdown": 1}, {"eta": datetime.datetime(2030, 1, 1)}])
    @pytest.mark.parametrize("to", [WINDOW, SERVER])
    def test_without_celery_it_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings, delay, to
    ) -> None:
        settings.DEBUG = True
        monkeypatch.setattr(queues, "has_celery", lambda: False)
        signal("a")(lambda window_info: None)
        with pytest.raises(NotQueued, match="Celery is not installed"):
            trigger(INFO, "a", to=to, **delay)

    def test_expires_alone_is_of_queues_only(self, published: Published) -> None:
        trigger(INFO, "a", expires=5)
        assert len(published) == 1


def test_the_request_of_rest_framework(published: Published) -> None:
    request = RequestFactory().get("/")
    wrapped = SimpleNamespace(_request=request, META=request.META, user=AnonymousUser())
    trigger(wrapped, "a")
    assert json.loads(published[0].payload)["data"]["name"] == "a"
