"""The documentation of Telegraphy (seed 000), name by name."""

from __future__ import annotations

import gc
import json
import sys
import types
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from instant import events
from instant.events import OP_CREATE, OP_DELETE, OP_UPDATE, BaseEventModel
from instant.testing import Published
from tests.blog.models import Author, Post, Ticket
from tests.snippets import ROOT, snippets

pytestmark = pytest.mark.django_db


def operations(published: Published) -> list[str]:
    return [message.data["operation"] for message in published]


def test_every_time_an_instance_is_created_saved_or_deleted(published: Published) -> None:
    class MyEventsModel(BaseEventModel):
        model = Author
        fields = ("id", "name")

    event = MyEventsModel()
    event.register()
    ann = Author.objects.create(name="Ann")
    pk = ann.pk
    ann.name = "Anne"
    ann.save()
    ann.delete()

    created, edited, deleted = published
    assert {message.channel for message in published} == {"$events.blog.Author"}
    assert (created.event_class, edited.event_class, deleted.event_class) == (
        *("object created", "object edited", "object deleted"),
    )
    common = {"event": "blog.Author", "verbose_name": "author", "pk": pk, "changed": None}
    assert created.data == {**common, "operation": "create", "data": {"id": pk, "name": "Ann"}}
    assert edited.data == {**common, "operation": "update", "data": {"id": pk, "name": "Anne"}}
    assert deleted.data == {**common, "operation": "delete", "data": {"id": pk, "name": "Anne"}}


def test_model_is_the_only_compulsory_attribute(published: Published) -> None:
    class Events(BaseEventModel):
        model = Post

    class Nothing(BaseEventModel):
        abstract = False

    Events().register()
    Post.objects.create(title="One")
    assert published[0].data["data"]["title"] == "One"
    with pytest.raises(ImproperlyConfigured, match=r"Nothing: model is None"):
        Nothing().register()


def test_fields(published: Published) -> None:
    class Events(BaseEventModel):
        model = Post
        fields = ("title", "views")
        exclude = ("title",)  # "if fields is set, then exclude is ignored"

    Events().register()
    Post.objects.create(title="One")
    assert published[0].data["data"] == {"title": "One", "views": 0}


def test_fields_none_are_all(published: Published) -> None:
    class Events(BaseEventModel):
        model = Post

    Events().register()
    ann = Author.objects.create(name="Ann")
    post = Post.objects.create(title="One", author=ann)
    assert published[0].data["data"] == {
        "id": post.pk,
        "title": "One",
        "text": "",
        "views": 0,
        "published": None,
        "details": {},
        "author": ann.pk,
    }


def test_a_field_that_the_model_shows_in_its_own_way(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = property(lambda self: vars(self)["name"].upper(), lambda self, value: vars(self).update(name=value))
    monkeypatch.setattr(Author, "name", shown)

    class Events(BaseEventModel):
        model = Author
        fields = ("name",)

    Events().register()
    Author.objects.create(name="Ann")
    assert published[0].data["data"] == {"name": "ANN"}


def test_exclude(published: Published) -> None:
    class Events(BaseEventModel):
        model = Post
        exclude = ("text", "details", "published", "author")

    Events().register()
    post = Post.objects.create(title="One")
    assert published[0].data["data"] == {"id": post.pk, "title": "One", "views": 0}


def test_to_dict_comes_before_both(published: Published) -> None:
    class Events(BaseEventModel):
        model = Ticket
        fields = ("id",)

    Events().register()
    ticket = Ticket.objects.create(title="one")
    assert published[0].data["data"] == {"shown": "ONE", "by": None}
    assert f'"pk":"{ticket.pk}"'.encode() in published[0].payload


@pytest.mark.parametrize("wanted", [(OP_CREATE,), (OP_UPDATE,), (OP_DELETE,), (OP_UPDATE, OP_DELETE)])
def test_operations(published: Published, wanted: Any) -> None:
    class Events(BaseEventModel):
        model = Author
        operations = wanted

    Events().register()
    ann = Author.objects.create(name="Ann")
    ann.save()
    ann.delete()
    assert operations(published) == list(wanted)


def test_operations_are_all_three_by_default() -> None:
    assert BaseEventModel.operations == (OP_CREATE, OP_UPDATE, OP_DELETE)


@pytest.mark.parametrize("none", [None, (), False])
def test_operations_false_ish_are_none(published: Published, none: Any) -> None:
    class Events(BaseEventModel):
        model = Author
        operations = none

    Events().register()
    ann = Author.objects.create(name="Ann")
    ann.delete()
    published.assert_nothing_published()
    Events.emit(Author.objects.create(name="Bob"), OP_UPDATE)
    assert operations(published) == ["update"]


def test_name_and_verbose_name(published: Published) -> None:
    class Events(BaseEventModel):
        model = Author
        name = "people"
        verbose_name = "Somebody"

    Events().register()
    Author.objects.create(name="Ann")
    (message,) = published
    assert message.channel == "$events.people"
    assert (message.data["event"], message.data["verbose_name"]) == ("people", "Somebody")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The `events.py` of an app."""
    gc.collect()  # a class lives on, and is a subclass, until then
    module = types.ModuleType("tests.blog.events")
    monkeypatch.setitem(sys.modules, "tests.blog.events", module)
    return module


def classes(source: str, module: types.ModuleType) -> None:
    head = "from instant.events import *\nfrom tests.blog.models import *\n"
    exec(head + source, vars(module))


def test_autodiscover_registers_each_subclass_once(app: types.ModuleType) -> None:
    classes(
        """
class A(BaseEventModel):
    model = Author

class Common(BaseEventModel):
    abstract = True
    model = Post
    fields = ("id",)

class B(Common):
    pass

class C(A):
    name = "second"
""",
        app,
    )
    events.autodiscover()
    found = {type(event).__name__: event.event_name for event in events.registered()}
    assert found == {"A": "blog.Author", "B": "blog.Post", "C": "second"}
    events.autodiscover()
    assert len(events.registered()) == 3
    assert events.registered()[0].register() is events.registered()[0]
    assert app.A().register() is events.registered()[0]


def test_autodiscover_from_urls(app: types.ModuleType, published: Published) -> None:
    """As the seed says: it may be called in `urls.py`."""
    classes("class A(BaseEventModel):\n    model = Author", app)
    urls = types.ModuleType("urls")
    exec("from instant import events\nevents.autodiscover()\nurlpatterns = []", vars(urls))
    with override_settings(ROOT_URLCONF=urls):
        Author.objects.create(name="Ann")
    assert operations(published) == ["create"]


def test_custom_events(published: Published) -> None:
    sold_out = events.Event("shop.sold-out", "Sold out")
    sold_out.send("$shop", {"item": 5})
    (message,) = published
    assert (message.channel, message.event_class) == ("$shop", "shop.sold-out")
    assert message.data == {
        "event": "shop.sold-out",
        "operation": None,
        "verbose_name": "Sold out",
        "pk": None,
        "data": {"item": 5},
        "changed": None,
    }
    assert repr(sold_out) == "Event('shop.sold-out')"
    with pytest.raises(ImproperlyConfigured, match="name"):
        events.Event("")


async def test_custom_events_from_an_event_loop(published: Published) -> None:
    await events.Event("ping").asend("$shop", on_commit=False)
    assert published._box


def test_the_json_of_the_documentation_is_what_is_sent(published: Published) -> None:
    (shown,) = [json.loads(each.text) for each in snippets(ROOT / "docs/events.md") if each.language == "json"]

    class PostEvents(BaseEventModel):
        model = Post
        fields = ("id", "title", "author")
        m2m = ("tags",)

    PostEvents().register()
    post = Post.objects.create(title="One")
    assert json.loads(published[0].payload)["data"] == {
        **shown,
        "pk": post.pk,
        "data": {**shown["data"], "id": post.pk},
    }
