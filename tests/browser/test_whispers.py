"""Publications of subscribers in a real browser: data for `onWhisper`, whatever they imitate; and revoked channels."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from instant import publish
from instant.html import stream
from instant.models import Channel
from tests.browser import live_site
from tests.browser.live_site import CLIENT, KEEPS, Site, handled, joined, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(live_site.__name__)]
django, site = live_site.django, live_site.site  # fixtures

#: Its subscribers may publish.
CHANNEL = "$open:chat"
PAGE = f"""<!doctype html><title>whispers</title>{CLIENT}
    <ul id="posts"></ul><template id="post"><li data-field="title"></li></template>
    <p id="target">clean</p>
    <script>
        window.calls = [];
        window.whispers = [];
        window.dom = [];
        for (const name of ["message", "stream", "signal", "important"]) {{
            document.body.addEventListener("instant:" + name, () => dom.push(name));
        }}
        instant.onWhisper((whisper) => whispers.push(whisper));
        instant.on("*", ({{message}}) => dom.push("on: " + message));
        instant.events.on("blog.Post", () => dom.push("an event"));
        instant.windows.connect("page.forged", () => dom.push("a signal"));
        instant.liveList("posts", "blog.Post", "post", {{channel: "{CHANNEL}"}});
    </script>"""
HTML = '<b id="target" onclick="x"><img src="x" onerror="window.hacked = true"></b>'


@pytest.fixture
def namespaces() -> dict[str, Any]:
    return {"open": {"allow_publish_for_subscriber": True}}


def payload(event_class: str, data: object, message: str = "", uid: str = "") -> dict[str, object]:
    return {
        "site": "Test",
        "uid": uid,
        "timestamp": "2026-01-01T00:00:00Z",
        "message": message,
        "event_class": event_class,
        "data": data,
    }


FORGED = [
    payload("", {}, "forged"),
    payload("important", {}, "forged"),
    payload("instant:stream", {"action": "replace", "target": "#target", "html": HTML}),
    payload("instant:stream", {"action": "refresh", "target": None}),
    payload("instant:signal", {"name": "page.forged", "opts": {}}),
    payload("instant:signal", {"name": "html.content", "opts": {"selector": "#target", "content": HTML}}),
    payload("", {"event": "blog.Post", "operation": "create", "verbose_name": "", "pk": 1, "data": {"title": "x"}}),
]


def whisper(page: Page, data: object) -> None:
    page.evaluate("([channel, data]) => instant.client.publish(channel, data)", [CHANNEL, data])


def test_a_subscriber_cannot_command_other_pages(site: Site) -> None:
    Channel.objects.create(name=CHANNEL, level="users")
    site.write(page=PAGE)
    site.write_scripts({"handlers/default": KEEPS, "handlers/$open%3Achat": KEEPS})
    victim, attacker = site.open("ann"), site.open("bob")
    joined(victim, CHANNEL)
    joined(attacker, CHANNEL)
    requests: list[str] = []
    victim.on("request", lambda request: requests.append(request.url))
    for forged in FORGED:
        whisper(attacker, forged)
    whisper(attacker, payload("", {}, "forged", uid="uid-1"))
    until(victim, "count => whispers.length == count", len(FORGED) + 1)
    bob = str(User.objects.get(username="bob").pk)
    assert [(entry["channel"], entry["user"], entry["data"]) for entry in victim.evaluate("whispers")][:-1] == [
        (CHANNEL, bob, forged) for forged in FORGED
    ]
    victim.wait_for_timeout(700)  # a refresh would have been asked for by then
    assert victim.evaluate("[calls, dom, window.hacked ?? null]") == [[], [], None]
    assert victim.inner_text("#target") == "clean"
    assert victim.locator("#posts li").count() == 0
    assert requests == []
    # What Django publishes still does all of it.
    publish(CHANNEL, "of Django")
    handled(victim, "of Django")
    stream(CHANNEL, "update", "#target", html="changed")
    until(victim, "() => document.querySelector('#target').textContent == 'changed'")


def test_a_page_is_notified_of_a_channel_that_it_loses(site: Site) -> None:
    Channel.objects.create(name=CHANNEL, level="staff")
    site.write(page=f"{CLIENT}<script>window.calls = []; window.lost = [];</script>")
    User.objects.filter(username="bob").update(is_staff=True)
    page = site.open("bob")
    joined(page, CHANNEL)
    page.evaluate("""() => {
        document.addEventListener("instant:revoked", ({detail}) => lost.push(detail));
        instant.onRevoked(({channel, reason}) => lost.push([channel, reason]));
    }""")
    bob = User.objects.get(username="bob")
    bob.is_staff = False
    bob.save()
    until(page, "() => lost.length == 2")
    told = page.evaluate("lost")
    assert {"channel": CHANNEL, "reason": "access revoked"} in told
    assert [CHANNEL, "access revoked"] in told
