"""Live HTML: what stream() takes, what it renders, and what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import transaction
from django.template import TemplateDoesNotExist
from django.test import RequestFactory, override_settings
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from instant import protocol
from instant.exceptions import InvalidMessage, PublishError, TooLarge
from instant.html import ACTIONS, INSERTING, astream, stream
from instant.testing import Published, capture_published
from instant.testing.live_servers import free_port

TEMPLATES = {
    "_user.html": '<li id="user-{{ person.pk }}">{{ person.username }}{% for one in all %} {{ one }}{% endfor %}</li>',
    "_who.html": "[{{ user }}{{ perms }}{{ request }}{{ csrf_token }}]",
}


@pytest.fixture(autouse=True)
def templates(settings: Settings) -> None:
    source = settings.TEMPLATES[0]
    options = {**source["OPTIONS"], "loaders": [("django.template.loaders.locmem.Loader", TEMPLATES)]}
    settings.TEMPLATES = [{**source, "APP_DIRS": False, "OPTIONS": options}]


@pytest.fixture
def sent() -> Iterator[Published]:
    with capture_published() as published:
        yield published


def sent_html(published: Published) -> Any:
    return published[-1].data["html"]


# what it takes


@pytest.mark.parametrize("action", INSERTING)
def test_actions_with_html(sent: Published, action: str) -> None:
    assert stream("$users", action, "#posts", html="<p>hi</p>", bucket="b", site="S") is None
    data = {"action": action, "target": "#posts", "html": "<p>hi</p>"}
    message = sent.assert_published("$users", message=None, event_class="instant:stream", data=data, bucket="b")
    assert message.site == "S"
    assert protocol.STREAM == "instant:stream"


def test_actions_without(sent: Published) -> None:
    stream("$users", "remove", "#post-1")
    stream("$users", "refresh")
    stream("$users", "refresh", "#posts")
    assert [item.data for item in sent] == [
        {"action": "remove", "target": "#post-1", "html": None},
        {"action": "refresh", "target": None, "html": None},
        {"action": "refresh", "target": "#posts", "html": None},
    ]


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    (("explode", "#a"), {"html": ""}, r"no action 'explode'.* Use one of append, prepend, .*refresh"),
    ((["append"], "#a"), {"html": ""}, "no action"),
    ((None,), {}, "no action None"),
    (
        ("append",),
        {"html": ""},
        r"'append' needs a CSS selector .*stream\(\"\$users\", \"append\", \"#posts\"\)",
    ),
    (("append", ""), {"html": ""}, "needs a CSS selector"),
    (("append", " "), {"html": ""}, "needs a CSS selector"),
    (("append", 1), {"html": ""}, "needs a CSS selector"),
    (("remove",), {}, "'remove' needs a CSS selector"),
    (("refresh", ""), {}, "'refresh' needs a CSS selector"),
    (("update", "#a"), {}, "'update' needs HTML. .*format_html"),
    (("update", "#a"), {"html": "", "template": "_user.html"}, "not both"),
    (("update", "#a"), {"html": 5}, "html= must be text, not int"),
    (("update", "#a"), {"html": b""}, "html= must be text, not bytes"),
    (("update", "#a"), {"html": "", "context": {}}, "require template="),
    (("update", "#a"), {"html": "", "request": RequestFactory().get("/")}, "require template="),
    (("remove", "#a"), {"html": ""}, "'remove' does not need HTML"),
    (("refresh",), {"template": "_user.html"}, "'refresh' does not need HTML"),
    (("remove", "#a"), {"context": {}}, "require template="),
]


@pytest.mark.parametrize(("args", "kwargs", "reason"), WRONG)
def test_what_is_wrong_is_reported(sent: Published, args: tuple[Any, ...], kwargs: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason):
        stream("$users", *args, **kwargs)
    with pytest.raises(ValueError, match=reason):
        asyncio.run(astream("$users", *args, **kwargs))
    sent.assert_nothing_published()


def test_options_are_those_of_publish(sent: Published) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        stream("$users", "refresh", nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidMessage, match="no namespace"):
        stream("no:where", "refresh")
    assert len(ACTIONS) == len(set(ACTIONS)) == 8


# what it renders


@pytest.mark.django_db
def test_a_template_with_model_objects(sent: Published) -> None:
    ann = User.objects.create_user("<ann>")
    stream("$users", "append", "#people", template="_user.html", context={"person": ann, "all": User.objects.all()})
    assert sent_html(sent) == f'<li id="user-{ann.pk}">&lt;ann&gt; &lt;ann&gt;</li>'
    stream("$users", "append", "#people", template=["missing.html", "_who.html"])
    assert sent_html(sent) == "[]"


@pytest.mark.django_db
def test_no_rights_of_one_user_go_to_all(sent: Published) -> None:
    request = RequestFactory().get("/here/")
    request.user = User.objects.create_superuser("root")
    stream("$users", "update", "#a", template="_who.html")
    assert sent_html(sent) == "[]"
    stream("$users", "update", "#a", template="_who.html", request=request)  # on purpose
    assert sent_html(sent).startswith("[root")
    assert "/here/" in sent_html(sent)


def test_a_template_that_is_not_there(sent: Published) -> None:
    with pytest.raises(TemplateDoesNotExist):
        stream("$users", "update", "#a", template="missing.html")
    sent.assert_nothing_published()


@pytest.mark.parametrize("html", ["<b>&</b>", format_html("<b>{}</b>", "&"), gettext_lazy("Save")])
def test_html_is_sent_as_it_is(sent: Published, html: Any) -> None:
    stream("$users", "update", "#a", html=html)
    assert sent_html(sent) == str(html)
    assert type(sent_html(sent)) is str
    stream("$users", "update", "#a", html="")
    assert sent_html(sent) == ""


# what it sends


def test_too_large(sent: Published) -> None:
    with pytest.raises(TooLarge, match="more than 900000"):
        stream("$users", "update", "#a", html="x" * 900_000)


@pytest.mark.django_db(transaction=True)
def test_it_leaves_with_the_transaction(sent: Published) -> None:
    with transaction.atomic():
        stream("$users", "remove", "#a", on_commit=True)
        assert len(sent) == 0
    assert len(sent) == 1
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        async_to_sync(astream)("$users", "remove", "#b", on_commit=True)
        _ = 1 / 0
    assert [item.data["target"] for item in sent] == ["#a"]


def test_failures_are_those_of_publish() -> None:
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=free_port()):
        with pytest.raises(PublishError):
            stream("$users", "refresh", timeout=1)
        assert isinstance(stream("$users", "refresh", fail_silently=True), PublishError)
        assert isinstance(asyncio.run(astream("$users", "refresh", fail_silently=True)), PublishError)


@pytest.mark.django_db(transaction=True)
async def test_the_async_twin_may_query(sent: Published) -> None:
    ann = await User.objects.acreate(username="ann")
    assert await astream(
        "$users", "replace", "#a", template="_user.html", context={"person": ann, "all": User.objects.all()}, bucket="b"
    ) is None  # fmt: skip
    assert sent_html(sent) == f'<li id="user-{ann.pk}">ann ann</li>'
    assert sent[0].bucket == "b"
    await astream("$users", "update", "#a", html="x")
    assert sent_html(sent) == "x"
