"""What is wrong with a class is said at the start, and names it; what is doubtful, by manage.py check."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from instant import events
from instant.checks import events as checks
from instant.events import AUTHENTICATED, BaseEventModel
from instant.exceptions import InvalidEvent
from tests.blog.models import Author, Base, Post, Ticket


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        (
            {"fields": ("id", "titel")},
            "fields has 'titel', which is not a field of blog.Post; its fields are id, title",
        ),
        ({"exclude": ("titel",)}, "exclude has 'titel', which is not a field of blog.Post"),
        ({"fields": ("tags",)}, "fields has 'tags', which is not a column of blog.Post; name it in m2m"),
        ({"m2m": ("author",)}, "m2m has 'author', which is not a many-to-many field of blog.Post"),
        ({"fields": "title"}, "fields is 'title'; it must be a tuple of names"),
        ({"operations": ("create", "destroy")}, "operations has 'destroy'"),
        ({"model": "blog.Nothing"}, "there is no model 'blog.Nothing'"),
        ({"model": "nothing"}, "there is no model 'nothing'"),
        ({"model": Base}, "model is Base, which is abstract"),
        ({"model": 5}, "model is 5; it must be a model"),
        ({"permission": "view"}, "permission is 'view'"),
    ],
)
def test_wrong_classes(attributes: dict[str, Any], text: str) -> None:
    wrong = type("Wrong", (BaseEventModel,), {"model": Post, "__module__": "shop.events", **attributes})
    with pytest.raises(InvalidEvent) as error:
        wrong().register()
    assert "shop.events." in str(error.value)
    assert "Wrong: " in str(error.value)
    assert text in str(error.value)
    assert events.registered() == []


def test_two_of_one_name() -> None:
    for module in ("shop.events", "other.events"):
        made = type("Posts", (BaseEventModel,), {"model": Post, "__module__": module})
        if module == "shop.events":
            made().register()
    with pytest.raises(InvalidEvent, match=r"'blog.Post': shop.events.Posts and other.events.Posts"):
        made().register()


def test_a_model_by_its_name() -> None:
    class Events(BaseEventModel):
        model = "blog.Post"

    assert Events().register().event_name == "blog.Post"


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if message in checks.check_events(None)]


def test_all_fields_are_worth_a_warning() -> None:
    class Events(BaseEventModel):
        model = Author

    Events().register()
    (warning,) = checks.check_events(None)
    assert warning.id == "instant.W020"
    assert "all fields of blog.Author except password_hash, api_Token" in warning.msg
    assert [name for name, _ in events.registered()[0].plan.fields] == ["id", "name"]
    assert ids() == ["instant.W020"]


def test_exclude_that_leaves_a_secret_in() -> None:
    class Events(BaseEventModel):
        model = Author
        exclude = ("password_hash",)

    Events().register()
    (warning,) = checks.check_events(None)
    assert warning.id == "instant.W021"
    assert "sends api_Token of blog.Author" in warning.msg


def test_a_channel_nobody_can_join() -> None:
    class Wrong(BaseEventModel):
        model = Author
        fields = ("id",)
        channel = "nowhere:authors"

    Wrong().register()
    (error,) = checks.check_events(None)
    assert error.id == "instant.E020"


def test_good_classes() -> None:
    class A(BaseEventModel):
        model = Author
        exclude = ("password_hash", "api_Token")

    class B(BaseEventModel):
        model = Post
        fields = ("id", "title")
        permission = AUTHENTICATED

    class C(BaseEventModel):
        model = Ticket

        def channel(self, instance: Ticket) -> str:
            return "nowhere:no"

    for each in (A, B, C):
        each().register()
    assert checks.check_events(None) == []


def test_hooks_that_are_none() -> None:
    with pytest.raises(TypeError, match="takes an event class"):
        events.on(Post)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'destroy'"):
        events.on(BaseEventModel, "destroy")  # type: ignore[arg-type]
