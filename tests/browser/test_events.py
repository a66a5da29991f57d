"""`instant.events.on` in real pages, and whether who applies all events has what is in the tables."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from playwright.sync_api import Page

from instant import events, publish
from instant.events import BaseEventModel, registered
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.blog.models import Author, Post, Tag
from tests.browser import live_site
from tests.browser.live_site import CLIENT, Site, joined, until
from tests.events import test_replica as replica

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.browser.live_site"),
    pytest.mark.usefixtures("no_events_left"),
]
django, site = live_site.django, live_site.site  # fixtures

LISTENS = """
    window.told = [];
    const note = (what) => (data, {event, operation, pk, changed}) =>
        told.push([what, event, operation, pk, data, changed]);
    window.undo = instant.events.on("blog.Post", {created: note("created"), updated: note("updated")});
    instant.events.on("blog.Post", {deleted: note("deleted")});
    instant.events.on("sold-out", note("custom"));
"""
#: A copy of all tables, by the events alone, as somebody's front end would keep one.
COPIES = """
    window.tables = {}, window.applied = 0;
    const put = (data, {event, pk}) => { tables[event][pk] = data; applied += 1; };
    const drop = (data, {event, pk}) => { delete tables[event][pk]; applied += 1; };
    for (const name of names) {
        tables[name] = {};
        instant.events.on(name, {created: put, updated: put, deleted: drop});
    }
"""


def register(model: Any, **attributes: Any) -> None:
    type("Events", (BaseEventModel,), {"__module__": "tests.blog.events", "model": model, **attributes})().register()


def opened(site: Site, script: str, *channels: str) -> Page:
    """A page whose client is page.js's."""
    streams = "".join(f'<template data-instant-stream="{name}"></template>' for name in channels)
    site.write(page=f"{CLIENT}{streams}<script>{script}</script>")
    page = site.browser("ann")
    page.goto(f"{site.url}/index/")
    joined(page, *channels)
    return page


def test_handlers_get_data_and_event(site: Site) -> None:
    register(Post, fields=("title",), channel=["$users", "news"])  # by two channels, and each once
    page = opened(site, LISTENS)
    post = Post.objects.create(title="One")
    post.title = "Two"
    post.save(update_fields=["title"])
    pk = post.pk
    post.delete()
    events.Event("sold-out", "Sold out").send("$users", {"item": 5})
    until(page, "told.length == 4")
    assert page.evaluate("told") == [
        ["created", "blog.Post", "create", pk, {"title": "One"}, None],
        ["updated", "blog.Post", "update", pk, {"title": "Two"}, ["title"]],
        ["deleted", "blog.Post", "delete", pk, {"title": "Two"}, None],
        ["custom", "sold-out", None, None, {"item": 5}, None],
    ]
    page.evaluate("() => undo()")
    Post.objects.create(title="Three").delete()
    publish("news", "no event", data={"event": "blog.Post"})
    until(page, "told.length == 5")
    assert page.evaluate("told.map(([what]) => what)")[-1] == "deleted"


def test_in_a_client_of_its_own(site: Site) -> None:
    register(Post, fields=("title",))
    script = "{% load static %}<script src=\"{% static 'instant/instant.js' %}\"></script>"
    site.write(page=script)
    page = site.browser("ann")
    page.goto(f"{site.url}/index/")
    listens = LISTENS.replace("instant.events", "mine.events")
    page.evaluate(
        f"""async () => {{
            const mine = djangoInstant.useInstant();
            {listens}
            await mine.subscribe("$events.blog.Post");
        }}"""
    )
    Post.objects.create(title="One")
    until(page, "told.length == 1")
    assert page.evaluate("told[0].slice(0, 3)") == ["created", "blog.Post", "create"]


class Undo(Exception):
    pass


def steps(chance: random.Random, count: int) -> list[Any]:
    """So many random changes, some of them in transactions and savepoints, of which some are rolled back."""
    found: list[Any] = []
    while count > 0:
        if chance.random() < 0.25:
            inner = min(count, chance.randint(1, 8))
            found.append((chance.choice(["commit", "commit", "undo"]), steps(chance, inner)))
            count -= inner
            continue
        pk, other, name = chance.randint(1, 5), chance.randint(1, 3), chance.choice("abc")
        kind = chance.choice(["author", "post", "post", "cafe", "title", "tag", "untag", "tagged", "delete", "delete"])
        known: dict[str, tuple[Any, ...]] = {
            "post": (pk, name, chance.choice([None, other])),
            "delete": (chance.choice([Author, Post, replica.Cafe]), pk),
        }
        arguments = known.get(kind, (pk, other if "tag" in kind else name))
        found.append((kind, *arguments))
        count -= 1
    return found


def as_json(tables: dict[str, dict[Any, Any]]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(tables, cls=DjangoJSONEncoder)))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_copy_in_the_page_is_the_table(site: Site, seed: int) -> None:
    """Whatever is done to three tables, over a server and the client, which loses its connection on the way."""
    replica.start()
    Tag.objects.bulk_create([Tag(pk=pk, name=str(pk)) for pk in (1, 2, 3)])
    names = [event.event_name for event in registered()]
    channels = [event.default_channel for event in registered()]
    page = opened(site, f"const names = {json.dumps(names)};{COPIES}", *channels)
    chance = random.Random(seed)
    replica.run(steps(chance, 30), "default")
    page.evaluate("() => { instant.disconnect(); }")
    replica.run(steps(chance, 30), "default")
    page.evaluate("() => instant.connect()")
    end = Author.objects.create(pk=1000, name="the end")
    for model in (replica.Post, replica.Cafe):
        model.objects.create(pk=1000, **({"title": "end"} if model is Post else {"name": "end"}))
    until(page, "Object.values(tables).every((table) => 1000 in table)")
    expected = as_json(replica.tables())
    assert len(expected) == 3
    assert page.evaluate("tables") == expected
    assert page.evaluate("applied") > 20
    assert end.pk
