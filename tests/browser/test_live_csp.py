"""Live pages under a Content-Security-Policy of `script-src 'self' 'nonce-…'`, in a real browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from playwright.sync_api import expect
from pytest_django import Settings

from instant import publish
from instant.html import stream
from tests.browser import live_site
from tests.browser.live_site import CLIENT, KEEPS, Site, handled, joined, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.live_site")]
django, site = live_site.django, live_site.site  # fixtures

POLICY = "default-src 'none'; script-src 'self' 'nonce-{}'; connect-src 'self' ws:; img-src data:"


def _policy(
    get_response: Callable[[HttpRequest], HttpResponseBase], nonce: Callable[[], object]
) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.csp_nonce = nonce()  # type: ignore[attr-defined]
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY.format(request.csp_nonce or secrets.token_urlsafe())
        return response

    return middleware


def with_nonce(get_response: Callable[[HttpRequest], HttpResponseBase]) -> object:
    """As django-csp does it."""
    return _policy(get_response, lambda: SimpleLazyObject(secrets.token_urlsafe))


def without_nonce(get_response: Callable[[HttpRequest], HttpResponseBase]) -> object:
    """The policy, on a site that tells the tag no nonce."""
    return _policy(get_response, lambda: None)


WATCHES = """<!doctype html><link rel="icon" href="data:,">
    <script{% if request.csp_nonce %} nonce="{{ request.csp_nonce }}"{% endif %}>
        var violations = [];
        document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
    </script>"""
PAGE = f"""{WATCHES}{CLIENT}
    {{% load instant %}}{{% instant_stream "news" %}}<p id="box"><b>{{{{ users|length }}}}</b></p>"""
SCRIPTS = {
    "handlers/default": KEEPS,
    "handlers/$users": "document.title = instant.page.unpack_data({channel, data: {message}}).message",
    "events/connect": "document.body.dataset.events = 'connected'",
    "events/disconnect": "document.body.dataset.events += ', ' + reason",
    "extra_clients": "document.body.dataset.debug = instantDebug + ' ' + typeof centrifuge.subscribe",
    "event_class_format": "var label_classes = {default: 'mine'}; var label_icons = {};",
}


def test_all_of_it_works(site: Site, settings: Settings, errors: list[str]) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.with_nonce"]
    site.write(page=PAGE)
    site.write_scripts(SCRIPTS)
    page = site.open()
    publish("news", "one"), publish("$users", "two")
    handled(page, "one")
    expect(page).to_have_title("two")
    assert page.evaluate("instant.page.label('info')") == '<span class="mine">info</span>'
    assert page.evaluate("document.body.dataset.debug") == "false function"
    stream("news", "append", "#box", html="<i>new</i><script>document.title = 'ran'</script>")
    expect(page.locator("#box i")).to_have_text("new")
    stream("news", "refresh", "#box")
    expect(page.locator("#box i")).to_have_count(0)
    page.evaluate("instant.disconnect()")
    expect(page.locator("body")).to_have_attribute("data-events", "connected, disconnect called")
    assert (page.title(), page.evaluate("violations"), errors) == ("two", [], [])
    with page.expect_console_message(lambda entry: entry.type == "error"):  # the policy is there: this has no nonce
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'var more = 1'}))")
    until(page, "violations.length == 1")
    errors.clear()


def test_the_policy_does_stop_scripts_without_the_nonce(site: Site, settings: Settings, errors: list[str]) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.without_nonce"]
    site.write(page=PAGE)
    site.write_scripts(SCRIPTS)
    page = site.browser("ann")
    page.goto(f"{site.url}/index/")
    until(page, "instant.page !== undefined")  # page.js is a file of the site
    assert page.evaluate("[typeof violations, document.body.dataset.debug]") == ["undefined", None]
    assert page.evaluate("document.documentElement.dataset.instantState") is None
    assert len(errors) >= len(SCRIPTS) + 2
    assert all("Content Security Policy" in text for text in errors)
    errors.clear()


def test_an_error_in_one_template_spoils_no_other(site: Site, settings: Settings, errors: list[str]) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.with_nonce"]
    settings.INSTANT_USERS_CHANNELS = [["$broken"], ["$good"], ["$throws"]]
    site.write_scripts(
        {
            "handlers/$broken": "if (",
            "handlers/$throws": "throw new Error('on purpose: ' + message)",
            "handlers/$good": KEEPS,
            "event_class_format": "var = ;",
            "events/connect": "throw new Error('when connected')",
            "extra_clients": "}",
        }
    )
    page = site.open()
    publish("$throws", "one"), publish("$good", "two"), publish("$good", "three"), publish("$throws", "four")
    handled(page, "two", "three")
    publish("$broken", "for the default"), publish("news", "five")
    until(page, "calls.length == 4")
    assert sorted(call[2] for call in page.evaluate("calls")[2:]) == ["five", "for the default"]
    thrown = [text for text in errors if text.startswith("instant: ")]
    assert len(errors) - len(thrown) == 3  # what could not be read, told by the browser
    assert "instant/events/connect.js threw" in thrown[0]
    assert ["instant: the handler of $throws threw" in text for text in thrown[1:]] == [True, True]
    assert "on purpose: one" in thrown[1]
    joined(page)
    errors.clear()
