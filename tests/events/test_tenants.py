"""Changes of several tenants in one transaction: each event is its own tenant's, whoever commits."""

from __future__ import annotations

import pytest
from django.db import transaction
from pytest_django import Settings

from instant.events import BaseEventModel
from instant.testing import Published
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.blog.models import Post
from tests.tenants import current

pytestmark = pytest.mark.django_db(transaction=True)


class PostEvents(BaseEventModel):
    abstract = True
    model = Post
    fields = ("id", "title")

    def channel(self, instance: Post) -> str:
        return f"$posts.{current.name()}"


@pytest.fixture(autouse=True)
def tenants(settings: Settings) -> None:
    settings.INSTANT_TENANT, settings.INSTANT_TENANT_CONTEXT = (
        "tests.tenants.current.name",
        "tests.tenants.current.entered",
    )
    PostEvents().register()


def told(published: Published) -> list[tuple[str, str, str]]:
    return [(message.server_channel, message.data["operation"], message.channel) for message in published]


def test_each_event_is_its_own_tenants(published: Published) -> None:
    with transaction.atomic():
        for tenant in ("acme", "beta", "acme"):
            with current.entered(tenant):
                Post.objects.create(title=tenant)
        with current.entered("beta"):
            Post.objects.filter(title="beta").first().delete()  # type: ignore[union-attr]
            Post.objects.create(title="again")
    assert told(published) == [
        ("$acme/posts.acme", "create", "$posts.acme"),
        ("$acme/posts.acme", "create", "$posts.acme"),
        ("$beta/posts.beta", "create", "$posts.beta"),
    ]


def test_one_object_that_two_tenants_change_is_two_events(published: Published) -> None:
    with current.entered("acme"):
        post = Post.objects.create(title="one")
    with transaction.atomic():
        for tenant in ("acme", "beta"):
            with current.entered(tenant):
                post.title = tenant
                post.save()
    assert [channel for channel, *_ in told(published)[1:]] == ["$acme/posts.acme", "$beta/posts.beta"]


def test_outside_of_a_tenant_the_change_goes_on(published: Published, caplog: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        Post.objects.create(title="nobody's")
    Post.objects.create(title="nobody's")
    assert Post.objects.count() == 2
    assert told(published) == []
    assert caplog.text.count("was not sent") == 2
