"""Events follow the transaction: once, after the commit, as the object is in the table then."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from instant import publish
from instant.events import OP_CREATE, OP_UPDATE, BaseEventModel, muted
from instant.testing import Published
from tests.blog.models import Author, Post, Tag
from tests.fakes import fake_server

pytestmark = pytest.mark.django_db(transaction=True)


class Undo(Exception):
    pass


@pytest.fixture(autouse=True)
def posts() -> type[BaseEventModel]:
    class PostEvents(BaseEventModel):
        model = Post
        fields = ("id", "title", "views", "details", "author")
        m2m = ("tags",)

    PostEvents().register()
    return PostEvents


def told(published: Published) -> list[tuple[str, Any, Any, Any]]:
    """Operation, pk, title and changed of each event."""
    return [(each["operation"], each["pk"], each["data"].get("title"), each["changed"]) for each in data(published)]


def data(published: Published) -> list[Any]:
    return [message.data for message in published]


def test_after_the_commit(published: Published) -> None:
    with transaction.atomic():
        post = Post.objects.create(title="One")
        assert told(published) == []
    assert told(published) == [("create", post.pk, "One", None)]


def test_never_where_it_rolls_back(published: Published) -> None:
    with pytest.raises(Undo), transaction.atomic():
        Post.objects.create(title="One")
        raise Undo
    with transaction.atomic():
        with pytest.raises(Undo), transaction.atomic():
            Post.objects.create(title="Two")
            raise Undo
        three = Post.objects.create(title="Three")
    assert told(published) == [("create", three.pk, "Three", None)]


def test_a_savepoint_rolled_back_takes_only_its_changes_along(published: Published) -> None:
    post = Post.objects.create(title="One")
    with transaction.atomic():
        post.title = "Two"
        post.save()
        with pytest.raises(Undo), transaction.atomic():
            post.title = "Three"
            post.save()
            raise Undo
    assert told(published)[1:] == [("update", post.pk, "Two", None)]


def test_create_and_update_are_a_create_with_the_last_data(published: Published) -> None:
    with transaction.atomic():
        post = Post.objects.create(title="One")
        post.title = "Two"
        post.save()
        post.title = "Three"
        post.save(update_fields=["title"])
    assert told(published) == [("create", post.pk, "Three", None)]


def test_create_and_delete_are_nothing(published: Published) -> None:
    with transaction.atomic():
        post = Post.objects.create(title="One")
        post.delete()
    assert told(published) == []


def test_update_and_delete_are_a_delete(published: Published) -> None:
    post = Post.objects.create(title="One")
    pk = post.pk
    with transaction.atomic():
        post.title = "Two"
        post.save()
        post.delete()
    assert told(published)[1:] == [("delete", pk, "Two", None)]


def test_delete_and_create_under_one_key_are_an_update(published: Published) -> None:
    post = Post.objects.create(title="One")
    pk = post.pk
    with transaction.atomic():
        post.delete()
        Post.objects.create(pk=pk, title="Two")
    assert told(published)[1:] == [("update", pk, "Two", None)]


def test_without_coalesce_each_is_reported(posts: Any, published: Published) -> None:
    posts.coalesce = False
    with transaction.atomic():
        post = Post.objects.create(title="One")
        pk = post.pk
        post.title = "Two"
        post.save()
        post.delete()
    assert told(published) == [("create", pk, "One", None), ("update", pk, "Two", None), ("delete", pk, "Two", None)]


def test_what_is_created_and_deleted_is_nothing_to_a_class_that_learns_of_no_deletes(published: Published) -> None:
    class Created(BaseEventModel):
        model = Author
        fields = ("id",)
        operations = (OP_CREATE, OP_UPDATE)

    Created().register()
    with transaction.atomic():
        Author.objects.create(name="Ann").delete()
    assert told(published) == []


def test_changed_names_the_fields(published: Published) -> None:
    post = Post.objects.create(title="One")
    ann = Author.objects.create(name="Ann")
    post.title, post.text, post.author = "Two", "not saved", ann
    post.save(update_fields=["title"])
    post.save(update_fields=["author_id", "views"])
    with transaction.atomic():
        post.save(update_fields=["views"])
        post.save(update_fields=["title"])
    assert [each["changed"] for each in data(published)[1:]] == [["title"], ["views", "author"], ["views", "title"]]


def test_only_what_was_saved_is_sent(published: Published) -> None:
    post = Post.objects.create(title="One")
    post.title, post.views = "not saved", 5
    post.save(update_fields=["views"])
    (_, update) = data(published)
    assert (update["data"]["title"], update["data"]["views"]) == ("One", 5)


def test_what_changes_after_the_save_is_not_sent(published: Published) -> None:
    with transaction.atomic():
        post = Post.objects.create(title="One", details={"a": [1]})
        post.title = "not saved"
        post.details["a"].append(2)
        post.author = Author(name="not saved")
    (create,) = data(published)
    assert (create["data"]["title"], create["data"]["details"], create["data"]["author"]) == ("One", {"a": [1]}, None)


def test_expressions_are_read_back(published: Published) -> None:
    post = Post.objects.create(title="One", views=4)
    with transaction.atomic():
        post.views = F("views") + 1
        post.save()
    assert data(published)[1]["data"]["views"] == 5


def test_values_are_those_of_the_table(published: Published) -> None:
    Post.objects.create(title="One", views="7")
    assert data(published)[0]["data"]["views"] == 7


def test_deferred_fields(published: Published) -> None:
    pk = Post.objects.create(title="One").pk
    post = Post.objects.only("views").get(pk=pk)
    post.views = 3
    post.save()
    assert data(published)[1]["data"]["title"] == "One"
    Post.objects.only("views").get(pk=pk).delete()
    assert data(published)[2]["data"]["title"] == "One"


def test_a_thousand_leave_in_one_request() -> None:
    with fake_server() as server:
        with transaction.atomic():
            for number in range(1000):
                Post.objects.create(title=str(number))
                publish("c", "between", on_commit=True)
            assert server.requests == []
        sizes = sorted(len(request.json["commands"]) for request in server.requests)
        assert sum(sizes) == 2000
        assert len(sizes) <= 10


def test_before_the_commit_nothing_is_asked(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    tag = Tag.objects.create(name="x")
    with fake_server() as server:
        with transaction.atomic():
            with django_assert_num_queries(20):
                made = [Post.objects.create(title=str(number)) for number in range(20)]
            made[0].tags.add(tag)
            with django_assert_num_queries(1):
                made[1].save(update_fields=["title"])
            hook = transaction.get_connection().run_on_commit[0][1]
            with django_assert_num_queries(1):  # the tags of all; what was created here is known
                hook()
        assert server.requests[0].json["commands"][0]["publish"]["data"]["data"]["data"]["tags"] == [tag.pk]


def test_raw_is_silent(published: Published) -> None:
    Post(pk=1, title="of a fixture").save_base(raw=True)
    assert told(published) == []


def test_muted(posts: Any, published: Published) -> None:
    class Authors(BaseEventModel):
        model = Author
        fields = ("id",)

    Authors().register()
    with muted():
        Author.objects.create(name="Ann").delete()
    with muted(posts):
        post = Post.objects.create(title="One")
        post.tags.add(Tag.objects.create(name="x"))
        post.delete()
        with muted(Authors):
            Author.objects.create(name="Ann")
        Author.objects.create(name="Ann")
    assert [each["event"] for each in data(published)] == ["blog.Author"]

    @muted()
    def quiet() -> None:
        Post.objects.create(title="Two")

    quiet()
    assert len(published) == 1
