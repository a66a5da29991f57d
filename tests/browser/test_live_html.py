"""Live HTML from `instant.html.stream` to the screen: actions, focus, rights of each user, the real htmx."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from playwright.sync_api import APIResponse, Route, expect
from pytest_django import Settings

from instant import live, publish
from instant.html import stream
from instant.models import Channel
from tests.browser import live_site
from tests.browser.live_site import CLIENT, KEEPS, MIDDLEWARE, Site, handled, in_channels, joined, traffic, wait_for
from tests.snippets import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
django, site = live_site.django, live_site.site  # fixtures

HTMX = ROOT / "frontend/node_modules/htmx.org/dist/htmx.js"


@live
def groups(request: HttpRequest) -> HttpResponse:
    return render(request, "groups.html", {"groups": Group.objects.order_by("pk")})


def count(request: HttpRequest) -> HttpResponse:
    return HttpResponse(format_html("<b>{} groups</b>", Group.objects.count()))


@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    Group.objects.filter(pk=pk).delete()
    stream("news", "remove", f"#group-{pk}")
    return HttpResponse(status=204)


urlpatterns = [
    path("groups/", groups),
    path("count/", count),
    path("remove/<int:pk>/", remove),
    *live_site.urlpatterns,
]

GROUP = """<li id="group-{{ group.pk }}">{{ group.name }}
    {% if perms.auth.delete_group %}<button hx-post="/remove/{{ group.pk }}/" hx-swap="none">x</button>{% endif %}</li>
"""
PAGE = f"""<!doctype html><title>{{{{ request.user }}}}</title>{CLIENT}
    {{% load instant %}}{{% instant_stream "news" %}}<h1 id="head">Groups</h1>
    <ul id="groups">{{% for group in groups %}}{{% include "_group.html" %}}{{% endfor %}}</ul>"""
ITEMS = "#groups > li"


@pytest.fixture
def site_of_groups(site: Site) -> Site:
    Group.objects.create(name="one")
    Group.objects.create(name="two")
    site.write(groups=PAGE, _group=GROUP)
    return site


def send(action: str, target: str, name: str) -> Group:
    group = Group.objects.get_or_create(name=name)[0]
    stream("news", action, target, template="_group.html", context={"group": group})
    return group


def test_each_action(site_of_groups: Site) -> None:
    page = site_of_groups.open("bob", "groups/")
    items = page.locator(ITEMS)
    expect(items).to_have_text(["one", "two"])
    send("append", "#groups", "last <i>")
    send("prepend", "#groups", "first")
    one = Group.objects.get(name="one")
    send("before", f"#group-{one.pk}", "before")
    send("after", f"#group-{one.pk}", "after")
    expect(items).to_have_text(["first", "before", "one", "after", "two", "last <i>"])
    Group.objects.filter(pk=one.pk).update(name="ONE")
    send("replace", f"#group-{one.pk}", "ONE")
    send("append", "#groups", "first")  # it is there: no second one
    expect(items).to_have_text(["first", "before", "ONE", "after", "two", "last <i>"])
    stream("news", "remove", f"#group-{one.pk}")
    script = format_html("<script>{}</script>", "document.title = 'ran'")
    stream("news", "update", "#head", html=format_html("<em>{}</em>{}", "<b>& all", script))
    expect(page.locator("#head em")).to_have_text("<b>& all")
    expect(items).to_have_text(["first", "before", "after", "two", "last <i>"])
    Group.objects.exclude(name="two").delete()
    stream("news", "refresh", "#groups")
    expect(items).to_have_text(["two"])
    expect(page.locator("#head em")).to_have_count(1)
    stream("news", "refresh")
    expect(page.locator("#head")).to_have_text("Groups")
    assert (page.evaluate("window.calls"), page.title()) == (None, "bob")  # no handler's business, and no script ran
    publish("news", "and it goes on")
    handled(page, "and it goes on")


def test_a_stream_tag_joins_whom_it_may(site: Site, settings: Settings) -> None:
    """Also a channel of other paths; with no request. Who may not join it sees the page as it is."""
    settings.INSTANT_STAFF_CHANNELS = [["$board", ["/elsewhere/"]]]
    tag = "{% load instant %}{% instant_stream 'news' %}{% with name='$board' %}{% instant_stream name %}{% endwith %}"
    site.write(
        page=f"<!doctype html>{CLIENT}{tag}{tag}<p id=box></p>", before=f"<!doctype html>{tag}{CLIENT}<p id=box></p>"
    )
    for name in ("index", "before"):
        ann, bob = site.browser("ann"), site.browser("bob")
        for page in (ann, bob):
            requests, _ = traffic(page)
            page.goto(f"{site.url}/{name}/")
            joined(page, "news", *(["$board"] if page is ann else []))
            assert requests == [f"/{name}/", "/static/instant/page.js"]
        assert in_channels(bob) == {"news", "$users"}
        stream("$board", "update", "#box", html="<b>for staff</b>")
        expect(ann.locator("#box")).to_have_text("for staff")
        stream("news", "append", "#box", html="<i>for all</i>")
        expect(bob.locator("#box")).to_have_text("for all")


def test_a_stream_tag_where_the_page_asks_for_its_tokens(site: Site, settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    settings.INSTANT_STAFF_CHANNELS = [["$board", ["/elsewhere/"]]]
    site.write(page=f"<!doctype html>{CLIENT}{{% load instant %}}{{% instant_stream '$board' %}}<p id=box></p>")
    ann, bob = site.open("ann"), site.open("bob")
    joined(ann, "$board")
    stream("$board", "update", "#box", html="<b>for staff</b>")
    expect(ann.locator("#box")).to_have_text("for staff")
    publish("news", "for all")
    handled(bob, "for all")
    assert in_channels(bob) == {"news", "$users"}


def test_focus_typing_and_scrolling_stay(site: Site) -> None:
    Channel.objects.create(name="long", level="users")
    rows = "{% for user in users %}<p style='height: 1500px'>{{ user.last_name }}</p>{% endfor %}"
    form = "<form id=form><input name=text value=old><textarea name=more>{{ users.0.last_name }}</textarea></form>"
    site.write(page=f"<!doctype html>{CLIENT}<div id=all><div id=new></div>{form}{rows}</div>", _form=form)
    page = site.open()
    page.focus("[name=text]")
    page.keyboard.press("End")
    page.keyboard.type(" and new")
    page.evaluate("document.querySelector('[name=text]').setSelectionRange(2, 5); scrollTo(0, 400)")
    User.objects.update(last_name="changed")
    stream("$long", "replace", "#form", template="_form.html", context={"users": User.objects.all()})
    expect(page.locator("[name=more]")).to_have_value("changed")
    stream("$long", "refresh", "#all")
    expect(page.locator("#all > p").first).to_have_text("changed")
    assert page.evaluate(
        """(() => {
            const {name, value, selectionStart, selectionEnd} = document.activeElement;
            return [name, value, selectionStart, selectionEnd, scrollY];
        })()"""
    ) == ["text", "old and new", 2, 5, 400]


def test_a_refresh_shows_each_user_their_own_rights(site_of_groups: Site) -> None:
    ann, bob = (site_of_groups.open(name, "groups/") for name in ("ann", "bob"))
    expect(ann.locator("li button")).to_have_count(2)
    send("append", "#groups", "three")
    for page in (ann, bob):
        expect(page.locator(ITEMS)).to_have_count(3)
    expect(ann.locator("li button")).to_have_count(2)  # rendered for all: with nobody's rights
    stream("news", "refresh", "#groups")
    expect(ann.locator("li button")).to_have_count(3)
    expect(bob.locator("li button")).to_have_count(0)
    User.objects.filter(username="bob").update(is_superuser=True)
    stream("news", "refresh", "#groups")
    expect(bob.locator("li button")).to_have_count(3)
    tokens = ann.locator("script#instant-credentials")
    expect(tokens).to_have_count(1)


@pytest.mark.parametrize("target", ["#groups", "body"])
def test_a_refresh_does_not_undo_a_message_that_is_newer_than_its_response(site_of_groups: Site, target: str) -> None:
    page = site_of_groups.open("ann", "groups/")
    held: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        """Keep the first response, and pass on the others."""
        response = route.fetch()
        if held:
            route.fulfill(response=response)
        else:
            held.append((route, response))

    page.route("**/groups/", hold)
    first = Group.objects.order_by("pk").values_list("pk", flat=True)[0]
    stream("news", "refresh", target)
    wait_for(page, lambda: held, "the request of the refresh")
    Group.objects.filter(pk=first).delete()
    stream("news", "remove", f"#group-{first}")
    expect(page.locator(ITEMS)).to_have_count(1)
    (route, response) = held[0]
    route.fulfill(response=response)
    expect(page.locator(ITEMS)).to_have_count(2)  # as in the held response, for a moment
    expect(page.locator(ITEMS)).to_have_count(1)


@pytest.mark.skipif(not HTMX.exists(), reason="htmx: npm ci was not run in frontend/")
def test_with_htmx(site_of_groups: Site) -> None:
    """What comes by stream is htmx's as well; what htmx asks for is streamed to all; an event class asks for more."""
    site = site_of_groups
    token = "<meta name=token content='{{ csrf_token }}'>"
    count = '<p id="count" hx-get="/count/" hx-trigger="instant:order-paid">?</p>'
    headers = """<body hx-headers:inherited='{"X-CSRFToken": "{{ csrf_token }}"}'>"""
    site.write(groups=f"<!doctype html>{token}<script src='/htmx.js'></script>{headers}{count}{PAGE}")
    site.write_scripts({"handlers/default": KEEPS})
    ann, bob = site.browser("ann"), site.browser("bob")
    for page in (ann, bob):
        page.route("**/htmx.js", lambda route: route.fulfill(path=HTMX, content_type="text/javascript"))
        page.goto(f"{site.url}/groups/")
        joined(page)
    three = send("append", "#groups", "three")
    expect(ann.locator(ITEMS)).to_have_count(3)
    stream("news", "refresh", "#groups")
    ann.click(f"#group-{three.pk} button")
    for page in (ann, bob):
        expect(page.locator(ITEMS)).to_have_count(2)
    expect(ann.locator("#count")).to_have_text("?")
    publish("news", "paid", event_class="order paid", data={"order": 1})
    expect(ann.locator("#count b")).to_have_text("2 groups")
    handled(ann, "paid")
    Group.objects.create(name="four")
    publish("$users", data={"order": 2}, event_class="order paid")
    expect(ann.locator("#count b")).to_have_text("3 groups")
