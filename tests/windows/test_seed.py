"""The examples of df_websockets, with nothing changed but what is imported from where."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.template import Context, Template
from django.test import RequestFactory, TestCase

from instant.testing.signals import SignalQueue, call
from instant.windows import (
    BROADCAST,
    SERVER,
    USER,
    WINDOW,
    SerializedForm,
    WindowInfo,
    everyone,
    set_websocket_topics,
    signal,
    trigger,
)


def test_first_signal() -> None:
    @signal(path="myproject.first_signal", is_allowed_to=everyone, queue="celery")
    def my_first_signal(window_info, content=None):
        print(f"hello from {content}")

    @signal(path="myproject.first_signal", is_allowed_to=everyone, queue="slow")
    def my_first_signal_slow(window_info, content=None):
        print(f"hello from {content}")

    def any_view(request):  # this is a standard Django view
        trigger(request, "myproject.first_signal", to=[SERVER, WINDOW], content="hello from a view")
        return HttpResponse()

    @signal(path="myproject.second_signal", is_allowed_to=everyone, queue="slow")
    def second_signal(window_info):
        trigger(window_info, "myproject.first_signal", to=[SERVER, WINDOW], content="hello from Celery")

    with SignalQueue() as fd:
        any_view(RequestFactory().get("/"))
        (topic,) = fd.ws_signals
        assert topic.startswith("-window.")
        assert fd.ws_signals[topic] == [("myproject.first_signal", {"content": "hello from a view"})]
        assert sorted(map(str, fd.python_signals)) == ["celery", "slow"]
        trigger(WindowInfo(window_key="w"), "myproject.second_signal", to=SERVER)
        fd.execute_delayed_signals()
        assert fd.ws_signals["-window.w"] == [("myproject.first_signal", {"content": "hello from Celery"})]
        assert len(fd.python_signals["celery"]) == 2


def test_topics(db: None) -> None:
    obj = Group.objects.create(name="a group")

    def any_view(request):
        set_websocket_topics(request, [obj])
        return HttpResponse()

    def another_view(request, obj_id):
        trigger(request, "myproject.first_signal", to=[WINDOW, obj], content="hello from a view")
        set_websocket_topics(request, [obj, "other"])
        return HttpResponse()

    with SignalQueue() as fd:
        any_view(RequestFactory().get("/"))
        another_view(RequestFactory().get("/"), obj.pk)
        assert fd.ws_signals[f"-auth.Group.{obj.pk}"] == [("myproject.first_signal", {"content": "hello from a view"})]


class MyForm(forms.Form):
    title = forms.CharField()


def test_forms(capsys: Any) -> None:
    @signal(path="myproject.form", is_allowed_to=everyone)
    def my_signal_function(window_info, form_data: SerializedForm(MyForm) = None, title=None, id=None):  # noqa: A002
        print(form_data and form_data.is_valid())
        trigger(window_info, "myproject.first_signal", to=WINDOW, title=title)

    with SignalQueue() as fd:
        window = WindowInfo(window_key="w")
        call("myproject.form", {"form_data": [{"name": "title", "value": "df_websockets"}], "id": 43}, window)
        call("myproject.form", {"form_data": [{"name": "title", "value": ""}], "id": 43}, window)
        call("myproject.form", {"title": "new title value", "id": 43}, window)
    assert capsys.readouterr().out == "True\nFalse\nNone\n"
    assert fd.ws_signals["-window.w"][-1] == ("myproject.first_signal", {"title": "new title value"})


def test_tags() -> None:
    text = '{% load instant %}<form {% js_call "app.f" on="change" form="form_data" id=42 %}>'
    page = Template(text).render(Context())
    attribute = json.loads(page.partition("'")[2].rpartition("'")[0].replace("&quot;", '"'))
    assert attribute == [{"name": "app.f", "on": "change", "form": "form_data", "opts": {"id": 42}}]


def test_signal_queue() -> None:
    @signal(path="test.signal1", queue="demo-queue")
    def test_signal1(window_info, value=None):
        print(value)

    @signal(path="test.signal2", queue="demo-queue")
    def test_signal2(window_info, value=None):
        print(value)

    wi = WindowInfo()
    with SignalQueue() as fd:
        trigger(wi, "test.signal1", to=[SERVER, 1], value="value1")
        trigger(wi, "test.signal2", to=[SERVER, 1], value="value2")
    info = wi.to_dict()
    assert fd.python_signals == {
        "demo-queue": [
            ["test.signal1", info, {"value": "value1"}, False, None, True, None],
            ["test.signal2", info, {"value": "value2"}, False, None, True, None],
        ]
    }
    assert fd.ws_signals == {
        "-int.1": [("test.signal1", {"value": "value1"}), ("test.signal2", {"value": "value2"})],
    }


class SignalQueueInATestCase(TestCase):
    """Where nothing ever commits."""

    def test_signals_are_there(self) -> None:
        with SignalQueue() as fd:
            trigger(WindowInfo(), "test.signal", to=[BROADCAST, USER, "text", Group])
            assert list(fd.ws_signals) == ["-broadcast", "-str.text", "-auth.Group"]
        assert len(fd.ws_signals) == 3
