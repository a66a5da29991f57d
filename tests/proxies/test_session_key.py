"""The key of a session opens it: so it is in no token, no queue, no payload, no log and no page."""

from __future__ import annotations

import base64
import json
import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from instant.pages.filling import fill
from instant.pages.page_state import page_of
from instant.proxies import rpc
from instant.testing import Published
from instant.testing.signals import SignalQueue
from instant.windows import BROADCAST, SERVER, USER, WINDOW, WindowInfo, everyone, signal, trigger
from instant.windows import rpc as windows_rpc
from instant.windows.dispatch import call
from instant.windows.topics import set_websocket_topics
from tests.features import use_features
from tests.live_pages import credentials, render
from tests.proxies.calls import post

pytestmark = pytest.mark.django_db


def opened(text: str) -> str:
    """The text, and what is inside of the tokens and of signed and compressed parts in it."""
    inner = [text]
    for token in re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", text):
        for part in token.split(".")[:2]:
            inner.append(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin1"))
    for blob in re.findall(r"\.?[\w-]+:[\w-]+:[\w-]+", text):
        try:
            inner.append(json.dumps(signing.loads(blob, salt="instant.window")))
        except signing.BadSignature:
            continue
    return "\n".join(inner)


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
def test_it_is_nowhere(
    engine: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    answering: Any,
    published: Published,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    use_features(monkeypatch, windows=True)
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(rpc, "call", windows_rpc.call)
    signal("app.now", everyone)(lambda window_info: window_info.to_dict())
    signal("app.broken", everyone)(lambda window_info: 1 / 0)
    signal("app.later", everyone, queue="slow")(lambda window_info: None)

    user, browser = User.objects.create_user("ann"), Client()
    browser.force_login(user)
    request = RequestFactory().get("/")
    request.user, request.session = user, browser.session
    key = key_of(request.session)
    page_of(request).fills = True
    set_websocket_topics(request, ["text"])
    html = fill(request, HttpResponse(render(request))).content.decode()
    given = credentials(html)
    body = json.dumps({"window": given["window"]})
    again = browser.post("/instant/get_token/", body, content_type="application/json").content.decode()
    meta = json.loads(opened(given["ws_token"]).splitlines()[-1])["meta"]
    assert len(meta["session"]) == 32

    about = {"client": "c", "user": str(user.pk), "meta": meta}
    answers = [post({**about, "method": name}).content.decode() for name in ("app.now", "app.broken", "app.none")]
    trigger(request, "app.sent", to=[WINDOW, USER, BROADCAST])
    with SignalQueue() as fd:
        trigger(request, "app.later", to=SERVER)
        call("app.later", {}, WindowInfo.from_client(str(user.pk), meta))
    assert [len(calls) for calls in fd.python_signals.values()] == [2]
    assert len(published) == 3
    payloads = [f"{message.channel} {message.command().decode()}" for message in published]

    texts = [html, again, *answers, *payloads, json.dumps(fd.python_signals), repr(WindowInfo.from_request(request))]
    assert meta["session"] in opened(html)
    assert "1 / 0" not in "".join(answers)
    for text in (*texts, caplog.text):
        assert key not in opened(text)


def key_of(session: SessionBase) -> str:
    assert session.session_key
    return session.session_key
