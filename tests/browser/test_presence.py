"""`instant.presence()`, `onJoin` and `onLeave` in real pages, with what the rules of a site say of people."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from instant import Person, online, presence
from instant.channels import rules
from instant.models import Channel
from tests.browser import live_site
from tests.browser.live_site import CLIENT, Site, joined, until
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.live_site")]
django, site = live_site.django, live_site.site  # fixtures

ROOM = "$room:1"
PAGE = f"""{CLIENT}<template data-instant-stream="{ROOM}"></template><script>
    const told = [];
    instant.onJoin(({{channel, user, info}}) => told.push(["join", channel, user, info]));
    instant.onLeave(({{channel, user, info}}) => told.push(["leave", channel, user, info]));
</script>"""


@pytest.fixture
def namespaces(no_rules_left: None) -> dict[str, Any]:  # noqa: F811
    rules.add("$room:<int:pk>", lambda user, pk: {"info": {"name": user.username}} if user.is_authenticated else True)
    seen = {"presence": True, "join_leave": True, "allow_presence_for_subscriber": True}
    return {"": {"presence": True}, "room": seen, "silent": {"presence": False}}


def test_who_is_there_who_comes_and_who_goes(site: Site) -> None:
    site.write(page=PAGE)
    ann, bob = (User.objects.get(username=name) for name in ("ann", "bob"))
    page = site.open("ann")
    joined(page, ROOM)
    tabs = [site.open("bob"), site.open("bob")]
    until(page, "told.length == 3")
    people = page.evaluate("(room) => instant.presence(room)", ROOM)
    expected = [
        {"user": str(ann.pk), "info": {"name": "ann"}, "clients": 1},
        {"user": str(bob.pk), "info": {"name": "bob"}, "clients": 2},
    ]
    assert people == sorted(expected, key=lambda person: str(person["user"]))  # the ids are text
    assert [Person(**person) for person in people] == presence(ROOM)
    assert online([ann, bob]) == [ann, bob]
    for tab in tabs:
        tab.close()
    until(page, "told.length == 5")
    of_bob = [ROOM, str(bob.pk), {"name": "bob"}]
    assert page.evaluate("told") == [
        ["join", ROOM, str(ann.pk), {"name": "ann"}],
        *[["join", *of_bob]] * 2,
        *[["leave", *of_bob]] * 2,
    ]
    assert online([ann, bob]) == [ann]


def test_what_is_not_told_names_the_option(site: Site) -> None:
    Channel.objects.create(name="silent:1", level="users")
    page = site.open("ann")
    joined(page, "$silent:1", "$users")
    ask = "(name) => instant.presence(name).catch((error) => [error.name, error.message])"
    for channel, expected in (
        ("$users", 'set INSTANT_NAMESPACES = {"": {"allow_presence_for_subscriber": True}}'),
        ("$silent:1", 'set INSTANT_NAMESPACES = {"silent": {"presence": True}}'),
        ("$room:7", "join $room:7 before you request its presence"),
    ):
        name, message = page.evaluate(ask, channel)
        assert name == "InstantError"
        assert expected in message
