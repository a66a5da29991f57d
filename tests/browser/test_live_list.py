"""`instant.liveList` in a real browser: lists that are in step with a table, edited in Django's admin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.management.color import no_style
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from playwright.sync_api import Page, expect

from instant import live, publish
from instant.centrifugo.http import post as ask_server
from instant.events import BaseEventModel
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.blog.models import Post
from tests.browser import live_site
from tests.browser.live_site import CLIENT, Site, handled, joined, until, wait_for
from tests.snippets import ROOT, snippets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.test_live_list")]
django, site = live_site.django, live_site.site  # fixtures

CHANNEL = "$events.blog.Post"
TAG = f'{{% load instant %}}{{% instant_stream "{CHANNEL}" %}}'
ITEM = '<li data-attr-title="title"><b data-field="title">{title}</b> <i data-field="views">{views}</i><input></li>'
FILLED = ITEM.format(title="{{ post.title }}", views="{{ post.views }}").replace("<li", '<li data-pk="{{ post.pk }}"')
ROWS = "{% for post in posts %}" + FILLED + "{% endfor %}"


class PostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    fields = ("title", "views")


editor = admin.AdminSite(name="editor")
editor.register(Post, PostAdmin)


#: What happens to the table after the view has read it.
LATER: list[Callable[[], object]] = []


@live
def posts(request: HttpRequest) -> HttpResponse:
    response = render(request, "posts.html", {"posts": Post.objects.order_by("title")})
    for change in LATER:
        change()
    return response


urlpatterns = [path("posts/", posts), path("editor/", editor.urls), *live_site.urlpatterns]


@pytest.fixture(autouse=True)
def events(no_events_left: None) -> None:  # noqa: F811
    class PostEvents(BaseEventModel):
        __module__ = "tests.blog.events"
        model = Post
        fields = ("id", "title", "views", "details")

    PostEvents().register()
    LATER.clear()


def listing(options: str = "", rows: str = ROWS, item: str = ITEM.format(title="", views="")) -> str:
    return f"""<!doctype html><head>{CLIENT}</head>{TAG}
        <p id="none">Nothing yet</p><ul id="posts">{rows}</ul><template id="post">{item}</template>
        <script>window.stop = instant.liveList("posts", "blog.Post", "post", {{{options}}})</script>"""


def opened(site: Site, options: str = "", *, name: str = "ann", **parts: str) -> Page:
    site.write(posts=listing(options, **parts))
    page = site.browser(name)
    page.goto(f"{site.url}/posts/")
    joined(page, CHANNEL)
    return page


def items(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#posts li b").all_inner_texts()]


def shows(page: Page, *titles: str) -> None:
    expect(page.locator("#posts li b")).to_have_text(list(titles))


def test_two_tabs_follow_the_admin(site: Site) -> None:
    """Two people look on, while a third one edits."""
    User.objects.get(username="bob").user_permissions.add(Permission.objects.get(codename="view_post"))
    old = Post.objects.create(title="Old")
    tabs = [opened(site, "empty: 'none', order: 'title'", name=name) for name in ("ann", "bob")]
    for tab in tabs:
        shows(tab, "Old")
        expect(tab.locator("#none")).to_be_hidden()
        tab.evaluate("document.querySelector('#posts li').mine = true")
    admin_page = site.browser("ann")
    admin_page.goto(f"{site.url}/editor/blog/post/add/")
    for title in ("New", "<b>Bold</b>"):
        admin_page.fill("#id_title", title), admin_page.fill("#id_views", "3")
        admin_page.click("[name=_addanother]")
    for tab in tabs:
        shows(tab, "<b>Bold</b>", "New", "Old")
        assert tab.locator("#posts li").nth(1).get_attribute("title") == "New"
    admin_page.goto(f"{site.url}/editor/blog/post/{old.pk}/change/")
    admin_page.fill("#id_title", "Aged"), admin_page.click("[name=_save]")
    for tab in tabs:
        shows(tab, "<b>Bold</b>", "Aged", "New")
        assert tab.evaluate("document.querySelectorAll('#posts li')[1].mine")  # the same element, moved
    admin_page.click("#action-toggle")
    admin_page.select_option("[name=action]", "delete_selected"), admin_page.click("[name=index]")
    admin_page.click("input[value^=Yes]")
    for tab in tabs:
        shows(tab)
        expect(tab.locator("#none")).to_be_visible()


def test_the_list_of_the_docs(site: Site) -> None:
    (block,) = [block for block in snippets(ROOT / "docs/events.md") if block.language == "html"]
    site.write(posts=block.text)
    Post.objects.create(title="b")
    page = site.browser("ann")
    page.goto(f"{site.url}/posts/")
    joined(page, CHANNEL)
    Post.objects.create(title="a")
    shows(page, "a", "b")
    assert [item.get_attribute("title") for item in page.locator("#posts li").all()] == ["a", "b"]
    expect(page.locator("#none")).to_be_hidden()


def test_what_came_while_the_page_was_loaded_is_not_lost(site: Site) -> None:
    """The page's data is read, then the table changes, and only then the page joins."""
    Post.objects.create(title="a"), Post.objects.create(title="b")
    LATER[:] = [lambda: Post.objects.get(title="a").delete(), lambda: Post.objects.create(title="c")]
    page = opened(site, "order: 'title'")
    shows(page, "b", "c")


def test_an_update_leaves_what_the_user_does(site: Site) -> None:
    post = Post.objects.create(title="b", views=1)
    Post.objects.create(title="a", views=2)
    page = opened(site, "order: '-views'")
    item = page.locator(f"[data-pk='{post.pk}'] input")
    item.fill("half a sen")
    post.title = "changed"
    post.save()
    shows(page, "a", "changed")
    assert page.evaluate("document.activeElement.value") == "half a sen"
    post.views = 10  # more than 2, as numbers go
    post.save()
    shows(page, "changed", "a")
    assert page.evaluate("document.activeElement.value") == "half a sen"
    page.keyboard.type("tence")
    assert item.input_value() == "half a sentence"


@pytest.mark.parametrize(("order", "expected"), [("append", "a b c"), ("prepend", "c a b")])
def test_new_ones_go_to_an_end(site: Site, order: str, expected: str) -> None:
    Post.objects.create(title="a"), Post.objects.create(title="b")
    page = opened(site, f"order: '{order}'", rows=f"<li class=head></li>{ROWS}<li class=foot></li>")
    Post.objects.create(title="c")
    page.locator("text=c").wait_for()
    assert items(page) == expected.split()
    assert page.evaluate("[...posts.children].map(({className}) => className).join('-')") == "head----foot"


def test_only_what_the_filter_takes(site: Site) -> None:
    page = opened(site, "filter: ({views}) => views > 1")
    few, many = Post.objects.create(title="few", views=1), Post.objects.create(title="many", views=2)
    shows(page, "many")
    for post, views in ((few, 3), (many, 0)):
        post.views = views
        post.save()
    shows(page, "few")


def test_data_is_text_whatever_it_is(site: Site, errors: list[str]) -> None:
    """Markup is shown, addresses that run something are left out, and a template cannot ask for more."""
    item = """<li><a data-field="title" data-attr-href="details.url" data-attr-hidden="details.hidden"></a>
        <b data-field="details.list"></b><u data-field="pk" data-attr-href="constructor.name"></u></li>"""
    page = opened(site, item=item)
    for url in ("javascript:window.bad=1", " java\tscript:window.bad=1", "data:text/html,x", "/good/?a=1", None):
        details = {"url": url, "hidden": url is None, "list": [1, "<i>"]}
        Post.objects.create(title='<img src=x onerror="window.bad=1">', details=details)
    expect(page.locator("#posts li")).to_have_count(5)
    links = page.locator("#posts a")
    assert links.first.inner_text() == '<img src=x onerror="window.bad=1">'
    hrefs = [link.get_attribute("href") for link in links.all()]
    assert hrefs == [None, None, None, "/good/?a=1", None]
    assert [link.get_attribute("hidden") for link in links.all()] == [None] * 4 + [""]
    assert page.locator("#posts b").first.inner_text() == '[1,"<i>"]'
    assert page.locator("#posts u").first.inner_text() == str(Post.objects.first().pk)  # type: ignore[union-attr]
    assert page.locator("#posts u[href]").count() == 0
    assert page.evaluate("window.bad") is None
    wrong = """(html) => { const made = document.createElement("template"); made.innerHTML = html;
        try { instant.liveList("posts", "x", made); } catch (error) { return error.message; } }"""
    for html, told in (
        (
            '<li data-attr-onclick="title"></li>',
            "data-attr-onclick is not allowed: the attribute onclick cannot be filled with data",
        ),
        (
            '<li><b data-attr-srcdoc="title"></b></li>',
            "data-attr-srcdoc is not allowed: the attribute srcdoc cannot be filled with data",
        ),
        ("<li></li><li></li>", "the <template> of a live list must contain exactly one element"),
    ):
        assert page.evaluate(wrong, html) == told


def test_items_by_a_function_until_the_undo(site: Site) -> None:
    site.write(
        posts=f"""{CLIENT}<div id="box"></div><script>
        const make = ({{title}}, {{operation, pk}}) => Object.assign(document.createElement("p"),
            {{textContent: `${{operation}} ${{title}}`, id: `post-${{pk}}`}});
        window.stop = instant.liveList(document.querySelector("#box"), "blog.Post", make);
        </script>"""
    )
    page = site.browser("ann")
    page.goto(f"{site.url}/posts/")
    joined(page, CHANNEL)
    post = Post.objects.create(title="one")
    expect(page.locator("#box p")).to_have_text("create one")
    post.save()
    expect(page.locator("#box p")).to_have_text("update one")
    assert page.locator("#box p").get_attribute("data-pk") == str(post.pk)
    page.evaluate("() => { stop(); instant.events.on('blog.Post', () => { window.heard = true; }); }")
    post.delete()
    until(page, "window.heard")
    expect(page.locator("#box p")).to_have_count(1)


def test_what_was_missed_is_loaded_anew(site: Site) -> None:
    post = Post.objects.create(title="one")
    page = opened(site, "refresh: true, empty: 'none'")
    Post.objects.filter(pk=post.pk).update(title="changed in silence")
    page.evaluate(
        f"""document.dispatchEvent(new CustomEvent("instant:missed", {{detail: {{channel: "{CHANNEL}"}}}}))"""
    )
    shows(page, "changed in silence")
    Post.objects.create(title="two")
    shows(page, "changed in silence", "two")
    Post.objects.all().delete()
    expect(page.locator("#none")).to_be_visible()


def test_a_page_that_comes_back_too_late_loads_the_list(site: Site) -> None:
    Post.objects.create(title="one")
    page = opened(site, "refresh: true")
    Post.objects.all().update(title="changed in silence")
    ask_server("history_remove", json.dumps({"channel": CHANNEL}).encode(), 5)
    user = str(User.objects.get(username="ann").pk)
    end = {"code": 3014, "reason": "state invalidated"}
    ask_server("disconnect", json.dumps({"user": user, "disconnect": end}).encode(), 5)
    shows(page, "changed in silence")


@pytest.mark.parametrize("tag", [TAG, ""], ids=["tag", "no tag"])
def test_who_may_not_see_the_model_receives_nothing(site: Site, errors: list[str], tag: str) -> None:
    """Nor that there is something to hear, where the page's tag leaves it to Django who joins."""
    site.write(posts=listing().replace(TAG, tag))
    page = site.browser("bob")
    page.goto(f"{site.url}/posts/")
    joined(page, "news")
    if not tag:
        wait_for(page, lambda: any(CHANNEL in text for text in errors), f"{CHANNEL} in {errors}")
        errors.clear()
    Post.objects.create(title="secret")
    publish("news", "sent after it")
    handled(page, "sent after it")
    assert items(page) == []


@pytest.fixture
def keys_restart() -> Iterator[None]:
    """SQLite never gives out a key that is smaller than one it had: other tests expect small keys."""
    yield
    sequences = [{"table": Post._meta.db_table, "column": "id"}]
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_by_name_sql(no_style(), sequences):
            cursor.execute(sql)


def test_keys_that_a_browser_would_round(keys_restart: None, site: Site) -> None:
    """Two neighbours beyond 2**53 are one number in JavaScript: they are compared as text."""
    keys = [2**60, 2**60 + 1, 2**60 + 2]
    Post.objects.create(pk=keys[0], title="zero")
    page = opened(site, "order: '-id'", rows=ROWS.replace("<li", '<li data-order="{{ post.pk }}"'))
    for key, title in zip(keys[1:], ("one", "two"), strict=True):
        Post.objects.create(pk=key, title=title)
    shows(page, "two", "one", "zero")
    Post.objects.get(pk=keys[1]).delete()
    shows(page, "two", "zero")
    Post.objects.filter(pk=keys[0]).get().save()
    Post.objects.create(pk=5, title="five")
    shows(page, "two", "zero", "five")


def test_an_object_that_moves_to_another_channel_leaves_the_list(site: Site) -> None:
    class Moving(BaseEventModel):
        __module__ = "tests.blog.events"
        model = Post
        name = "moving"
        fields = ("id", "title")

        def channel(self, instance: Post) -> str:
            return CHANNEL if instance.views == 0 else "$elsewhere"

    Moving().register()
    script = 'instant.liveList("posts", "blog.Post",'
    post = Post.objects.create(title="One")
    site.write(
        posts=listing()
        .replace(script, 'instant.liveList("posts", "moving",')
        .replace("{})", f'{{channel: "{CHANNEL}"}})')
    )
    page = site.browser("ann")
    page.goto(f"{site.url}/posts/")
    joined(page, CHANNEL)
    shows(page, "One")
    post.views = 1
    post.save()
    shows(page)
