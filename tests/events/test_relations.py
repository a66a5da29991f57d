"""Many-to-many fields, proxies, and models that inherit."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import models, transaction

from instant.events import BaseEventModel
from instant.testing import Published
from tests.blog.models import Author, Cafe, News, Place, Post, Tag, Ticket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def posts() -> None:
    class PostEvents(BaseEventModel):
        model = Post
        fields = ("title",)
        m2m = ("tags", "related")

    PostEvents().register()


def told(published: Published) -> list[tuple[str, Any, Any, Any]]:
    """Operation, pk, tags and changed of each event."""
    return [
        (message.data["operation"], message.data["pk"], message.data["data"].get("tags"), message.data["changed"])
        for message in published
    ]


def register(base: type[models.Model], event: str | None = None) -> None:
    type("Events", (BaseEventModel,), {"model": base, "name": event, "__module__": "shop.events"})().register()


def names(published: Published) -> list[tuple[str, str]]:
    return [(message.data["event"], message.data["operation"]) for message in published]


def test_many_to_many_changes_are_updates(posts: None, published: Published) -> None:
    one, two = Tag.objects.create(name="1"), Tag.objects.create(name="2")
    post = Post.objects.create(title="One")
    pk = post.pk
    post.tags.add(one)
    post.tags.add(one)  # nothing changes
    post.tags.set([two])
    post.tags.clear()
    post.tags.add(two)
    post.delete()
    assert told(published) == [
        ("create", pk, [], None),
        ("update", pk, [one.pk], ["tags"]),
        ("update", pk, [two.pk], ["tags"]),
        ("update", pk, [], ["tags"]),
        ("update", pk, [two.pk], ["tags"]),
        ("delete", pk, [two.pk], None),
    ]
    assert published[1].data["data"]["title"] == "One"


def test_from_the_other_side(posts: None, published: Published) -> None:
    tag = Tag.objects.create(name="1")
    post, other = Post.objects.create(title="One"), Post.objects.create(title="Two")
    tag.posts.add(post, other)
    tag.posts.remove(other)
    tag.posts.clear()
    assert told(published)[2:] == [
        ("update", post.pk, [tag.pk], ["tags"]),
        ("update", other.pk, [tag.pk], ["tags"]),
        ("update", other.pk, [], ["tags"]),
        ("update", post.pk, [], ["tags"]),
    ]


def test_a_field_to_the_model_itself(posts: None, published: Published) -> None:
    one, two = Post.objects.create(title="One"), Post.objects.create(title="Two")
    one.related.add(two)
    one.related.clear()
    lists = [(each.data["pk"], each.data["data"]["related"]) for each in published][2:]
    assert lists == [(one.pk, [two.pk]), (two.pk, [one.pk]), (one.pk, []), (two.pk, [])]


def test_in_one_transaction(posts: None, published: Published) -> None:
    tag = Tag.objects.create(name="1")
    with transaction.atomic():
        post = Post.objects.create(title="One")
        post.tags.add(tag)
    with transaction.atomic():
        post.title = "Two"
        post.save(update_fields=["title"])
        post.tags.clear()
    assert told(published) == [("create", post.pk, [tag.pk], None), ("update", post.pk, [], ["title", "tags"])]
    assert published[1].data["data"]["title"] == "Two"


def test_the_reverse_side_of_a_foreign_key(posts: None, published: Published) -> None:
    ann = Author.objects.create(name="Ann")
    ann.posts.add(Post(title="One"), bulk=False)
    assert [each.data["operation"] for each in published] == ["create"]


def test_cascades(posts: None, published: Published) -> None:
    ann = Author.objects.create(name="Ann")
    pks = [Post.objects.create(title=title, author=ann).pk for title in ("One", "Two")]
    ann.delete()
    assert sorted((each.data["pk"], each.data["data"]["title"]) for each in published[2:]) == [
        (pks[0], "One"),
        (pks[1], "Two"),
    ]


def test_a_proxy_and_its_model_are_one(published: Published) -> None:
    register(Post)
    news = News.objects.create(title="One")
    news.save()
    news.delete()
    assert names(published) == [("blog.Post", each) for each in ("create", "update", "delete")]


def test_an_event_of_a_proxy_learns_of_its_model(published: Published) -> None:
    register(News)
    post = Post.objects.create(title="One")
    News.objects.get().save()
    post.delete()
    assert names(published) == [("blog.News", each) for each in ("create", "update", "delete")]
    assert published[0].channel == "$events.blog.News"


def test_a_child_is_reported_once(published: Published) -> None:
    register(Cafe)
    cafe = Cafe.objects.create(name="Roma")
    cafe.save()
    Place.objects.create(name="a field")
    cafe.delete()
    assert names(published) == [("blog.Cafe", each) for each in ("create", "update", "delete")]
    assert published[0].data["data"] == {
        **dict.fromkeys(("id", "place_ptr"), published[0].data["pk"]),
        "name": "Roma",
        "seats": 4,
    }


def test_a_parent_learns_of_its_children_once(published: Published) -> None:
    register(Place)
    cafe = Cafe.objects.create(name="Roma")
    cafe.save()
    cafe.seats = 5
    cafe.save(update_fields=["seats"])  # nothing of a place
    cafe.name = "Milano"
    cafe.save(update_fields=["seats", "name"])
    cafe.delete(keep_parents=True)
    Place.objects.get().delete()
    assert names(published) == [("blog.Place", each) for each in ("create", "update", "update", "delete")]
    assert published[0].data["data"] == {"id": published[0].data["pk"], "name": "Roma"}
    assert published[2].data["changed"] == ["name"]


def test_both_have_an_event_each(published: Published) -> None:
    register(Place)
    register(Cafe)
    Cafe.objects.create(name="Roma")
    Place.objects.get().delete()
    assert sorted(names(published)) == sorted(
        (each, operation) for each in ("blog.Place", "blog.Cafe") for operation in ("create", "delete")
    )


def test_a_child_defined_later(published: Published) -> None:
    register(Place)
    try:
        late = type(
            "Late",
            (Place,),
            {"__module__": "tests.blog.models", "Meta": type("Meta", (), {"proxy": True, "app_label": "blog"})},
        )
        late.objects.create(name="Roma")  # type: ignore[attr-defined]
    finally:
        apps.all_models["blog"].pop("late", None)
        apps.clear_cache()
    assert names(published) == [("blog.Place", "create")]


def test_to_dict_has_the_related_object_at_hand(published: Published, django_assert_num_queries: Any) -> None:
    register(Ticket)
    ann = Author.objects.create(name="Ann")
    with django_assert_num_queries(1):
        ticket = Ticket.objects.create(title="one", author=ann)
    ticket = Ticket.objects.select_related("author").get()
    ticket.delete()
    assert [each.data["data"]["by"] for each in published] == ["Ann", "Ann"]


def test_models_that_nobody_watches_have_no_receivers() -> None:
    assert not models.signals.post_save.has_listeners(Ticket)
    register(Ticket)
    assert models.signals.post_save.has_listeners(Ticket)
    assert models.signals.pre_delete.has_listeners(Ticket)
    assert not models.signals.post_save.has_listeners(Author)
