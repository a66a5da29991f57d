"""The demo frontend at /instant/, and the labels of instant.css, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Response, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer as DjangoServer

from instant import publish, publish_many
from instant.models import Channel
from instant.testing import LiveServer
from tests.browser import live_site
from tests.browser.live_site import Starter, joins, until
from tests.browser.pages import PAGES
from tests.snippets import ROOT, snippets
from tests.test_docs import with_templates
from tests.views.test_demo_frontend import CSP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.pages")]

NewPage = Callable[[], Page]
django = live_site.django  # a fixture
XSS = "<img src=x onerror=\"document.title='hit'\">"
ROWS = "#log > li"


@pytest.fixture
def plain(browser: object, server: LiveServer, django: Starter) -> DjangoServer:
    """A site with users and channels."""
    User.objects.create_superuser("root", password="secret")
    User.objects.create_user("sam", password="secret", is_staff=True)
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="ops", level="superuser")
    PAGES.clear()
    PAGES["login"] = "{% load static %}<script src=\"{% static 'instant/instant.js' %}\"></script>"
    return django.started()


@pytest.fixture
def policy(settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, CSP]


@pytest.fixture
def site(policy: None, plain: DjangoServer) -> DjangoServer:
    """The same, under a Content-Security-Policy: the server has the MIDDLEWARE of the moment in which it starts."""
    return plain


def log_in(page: Page, site: DjangoServer, name: str) -> None:
    page.goto(f"{site.url}/pages/login")
    page.evaluate("name => djangoInstant.useInstant().login(name, 'secret')", name)


def opened(page: Page, site: DjangoServer, name: str = "root") -> Page:
    log_in(page, site, name)
    wait = joins(page)
    response = page.goto(f"{site.url}/instant/")
    assert response is not None
    assert "default-src 'self'" in response.headers["content-security-policy"]
    expect(page.locator("#state")).to_have_text("connected")
    wait(3)  # news, $ops, and the user's own
    return page


def texts(page: Page) -> list[str]:
    return page.locator(f"{ROWS} .text").all_text_contents()


def wait_for(page: Page, text: str) -> None:
    page.locator(f"{ROWS} .text", has_text=text).first.wait_for()


def forbidden(response: Response | None) -> bool:
    return response is not None and response.status == 403 and "superusers" in response.text()


def test_messages_are_shown_with_their_labels(site: DjangoServer, new_page: NewPage) -> None:
    page = opened(new_page(), site)
    publish("$ops", "disk is full", event_class="error", data={"free": 0, "disks": ["sda"]}, bucket="disks")
    publish("news", XSS, event_class=XSS, data=XSS)
    publish("news", data=[1])
    expect(page.locator(ROWS)).to_have_count(3)
    newest, hostile, error = (page.locator(ROWS).nth(number) for number in range(3))
    assert texts(page) == [XSS, "disk is full"]
    expect(error.locator(".mq-label.mq-error")).to_have_text("error")
    expect(error.locator(".mq-label i.fa.fa-exclamation-triangle")).to_be_visible()
    expect(error.locator(".about")).to_contain_text("$ops")
    expect(error.locator(".bucket")).to_have_text("disks")
    expect(error.locator("pre")).to_be_hidden()
    error.locator("summary").click()
    expect(error.locator("pre")).to_have_text('{\n  "free": 0,\n  "disks": [\n    "sda"\n  ]\n}')
    expect(hostile.locator(".mq-default")).to_have_text(XSS)
    expect(newest.locator(".mq-default")).to_have_text("default")
    assert page.title() == "Site: live messages"
    expect(page.locator("#rate")).to_have_text("3")
    expect(page.locator("#chart rect.some")).not_to_have_count(0)
    publish("$ops", "x" * 300, event_class="x" * 60, bucket="x" * 60, data={"x" * 300: 1})
    expect(page.locator(ROWS)).to_have_count(4)
    page.locator(f"{ROWS} summary").first.click()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('#log').scrollWidth") <= width


def test_filters_pause_and_clear(site: DjangoServer, new_page: NewPage) -> None:
    page = opened(new_page(), site)
    publish("news", "one", event_class="ok")
    publish("$ops", "two", event_class="info")
    publish("$ops", "three", event_class="ok")
    wait_for(page, "three")
    page.select_option("#only-channel", "$ops")
    assert texts(page) == ["three", "two"]
    page.select_option("#only-class", "ok")
    assert texts(page) == ["three"]
    publish("news", "four", event_class="ok")
    publish("$ops", "five", event_class="ok")
    wait_for(page, "five")
    assert texts(page) == ["five", "three"]
    page.select_option("#only-class", "error")
    expect(page.locator("#no-match")).to_be_visible()
    page.select_option("#only-channel", "")
    page.select_option("#only-class", "")
    assert texts(page) == ["five", "four", "three", "two", "one"]
    page.click("#pause")
    publish("news", "six")
    expect(page.locator("#pause")).to_have_text("Resume (1 new)")
    assert texts(page)[0] == "five"
    page.click("#pause")
    wait_for(page, "six")
    page.click("#clear")
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator(ROWS)).to_have_count(0)


def test_the_form_sends_and_shows_what_is_wrong(site: DjangoServer, new_page: NewPage, errors: list[str]) -> None:
    page = opened(new_page(), site)
    page.fill("[name=channel]", "$ops"), page.fill("[name=message]", "by hand"), page.fill("[name=data]", '{"n": 1}')
    page.fill("[name=event_class]", "object created"), page.fill("[name=bucket]", "b")
    page.click("#send [type=submit]")
    wait_for(page, "by hand")
    expect(page.locator("#sent")).to_have_text("Sent to $ops.")
    expect(page.locator(".mq-created i.fa-plus")).to_be_visible()
    assert page.input_value("[name=message]") == ""
    page.fill("[name=data]", "{n: 1}")
    page.locator("[name=data]").press("Control+Enter")
    expect(page.locator("#sent")).to_contain_text("the data is not JSON")
    expect(page.locator("[name=data]")).to_be_focused()
    expect(page.locator("[name=data]")).to_have_attribute("aria-invalid", "true")
    page.fill("[name=data]", "1"), page.fill("[name=channel]", "nowhere:x"), page.click("#send [type=submit]")
    expect(page.locator("#sent")).to_contain_text("there is no namespace 'nowhere'")
    page.fill("[name=channel]", "$other"), page.click("#send [type=submit]")
    expect(page.locator("#sent")).to_have_text("Sent to $other. You are not in it, so it is not shown here.")
    errors.clear()  # the two 400s


def test_who_may_not_see_it(site: DjangoServer, new_page: NewPage, errors: list[str]) -> None:
    page = new_page()
    assert forbidden(page.goto(f"{site.url}/instant/"))
    log_in(page, site, "sam")
    assert forbidden(page.goto(f"{site.url}/instant/"))
    errors.clear()  # the two 403s


def test_the_state_of_the_connection(
    site: DjangoServer, server: LiveServer, new_page: NewPage, errors: list[str]
) -> None:
    page = opened(new_page(), site)
    server.stop()
    expect(page.locator("#state")).to_have_text("disconnected, trying again…")
    page.fill("[name=channel]", "news"), page.fill("[name=message]", "lost"), page.click("#send [type=submit]")
    expect(page.locator("#sent")).to_contain_text("publish to 'news' with the python backend failed")
    server.start()
    expect(page.locator("#state")).to_have_text("connected")
    page.click("#send [type=submit]")
    wait_for(page, "lost")
    root = User.objects.get(username="root")
    root.is_active = False
    root.save()
    expect(page.locator("#state")).to_contain_text("disconnected: ")
    expect(page.locator("#reconnect")).to_be_visible()
    errors.clear()  # what the browser says of each attempt, and of the refused one


def test_thousands_of_messages_do_not_stop_the_page(site: DjangoServer, new_page: NewPage) -> None:
    page = opened(new_page(), site)
    page.evaluate(
        """() => {
            window.frames_ = window.drawn = window.most = 0;
            const count = () => { frames_ += 1; requestAnimationFrame(count); };
            requestAnimationFrame(count);
            const look = () => { drawn += 1; most = Math.max(most, log.childElementCount); };
            new MutationObserver(look).observe(log, {childList: true});
        }"""
    )
    for start in range(0, 6000, 1000):
        publish_many([{"channel": "news", "message": f"n{start + n}", "event_class": "info"} for n in range(1000)])
    page.locator(".text", has_text="n5999").wait_for()
    assert texts(page) == [f"n{number}" for number in range(5999, 5499, -1)]
    frames, drawn, most = page.evaluate("[frames_, drawn, most]")
    assert 0 < drawn <= frames + 1  # once a frame, however many come in it
    assert most <= 500
    page.select_option("#only-channel", "$ops")
    expect(page.locator("#no-match")).to_be_visible()


@pytest.fixture
def labels(browser: object, transactional_db: None, django: Starter) -> DjangoServer:
    PAGES.clear()
    PAGES["labels"] = (
        "{% load static %}<link rel=stylesheet href=\"{% static 'instant/instant.css' %}\">"
        "<span class='mq-label mq-ok'><i class='fa fa-thumbs-up'></i> ok</span>"
    )
    return django.started()


AFTER = "getComputedStyle(document.querySelector('i'), '::after')"


def test_labels_have_icons_without_a_font(labels: DjangoServer, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{labels.url}/pages/labels")
    assert page.evaluate(f"{AFTER}.clipPath").startswith("polygon(")
    assert page.evaluate(f"parseFloat({AFTER}.width)") > 8
    light = page.evaluate("getComputedStyle(document.querySelector('.mq-label')).color")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.querySelector('.mq-label')).color") == light  # the page is light
    page.evaluate("document.documentElement.style.colorScheme = 'dark'")
    assert page.evaluate("getComputedStyle(document.querySelector('.mq-label')).color") != light


@pytest.mark.parametrize("display", ["display: inline-block; font: 14px/1 monospace;", "font-family: monospace;"])
def test_font_awesome_wins_where_it_is_loaded(labels: DjangoServer, new_page: NewPage, display: str) -> None:
    """Also where its style sheet comes first: ours is in a layer."""
    awesome = f"<style>.fa {{ {display} }} .fa-thumbs-up:before {{ content: 'A'; }}</style>"
    PAGES["labels"] = f"{awesome}{PAGES['labels']}<style>.mq-label {{ font-size: 100px; }}</style>"
    page = new_page()
    page.goto(f"{labels.url}/pages/labels")
    assert page.evaluate("getComputedStyle(document.querySelector('i'), '::before').content") == '"A"'
    assert page.evaluate("getComputedStyle(document.querySelector('i')).fontFamily") == "monospace"
    with_letter = page.locator("i").screenshot()
    page.add_style_tag(content=".mq-label .fa::after { content: none; }")
    assert page.locator("i").screenshot() == with_letter  # nothing of ours is to be seen


def test_the_labels_of_the_documentation(labels: DjangoServer, new_page: NewPage) -> None:
    PAGES["labels"] = "".join(each.text for each in snippets(ROOT / "docs/frontend.md") if each.language == "html")
    page = new_page()
    page.goto(f"{labels.url}/pages/labels")
    colours = [label.evaluate("(label) => getComputedStyle(label).color") for label in page.locator(".mq-label").all()]
    assert colours == ["rgb(19, 105, 47)"] * 2


def test_the_live_page_of_the_documentation(plain: DjangoServer, new_page: NewPage, settings: Settings) -> None:
    """docs/live-html.md: what its snippets send becomes of its page."""
    blocks = snippets(ROOT / "docs/live-html.md")
    settings.TEMPLATES = with_templates(settings.TEMPLATES[0], blocks)
    page = new_page()
    log_in(page, plain, "sam")
    PAGES["live"] = f"{blocks[0].text}<h1 id=headline></h1>"
    page.goto(f"{plain.url}/pages/live")
    until(page, "instant.channels.length > 0 && instant.state == 'connected'")
    page.evaluate("instant.subscribe('news')")
    names: dict[str, object] = {}
    sending, changing, formatted = [block.text for block in blocks if block.language == "python"][:3]
    exec(sending, names)
    expect(page.locator("#posts > li#post-1")).to_have_text("Fish & chips")
    exec(changing.splitlines()[0], names)
    expect(page.locator("#posts > li#post-1")).to_have_text("Chips")
    exec(changing.splitlines()[1], names)
    expect(page.locator("#posts > li")).to_have_count(0)
    exec(formatted, names)
    expect(page.locator("#headline b")).to_have_text("<script>alert(1)</script>")
