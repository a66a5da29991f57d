"""The quick start of README.md, on a site that is there already: what it says is typed, and its page is opened."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser import test_tutorial
from tests.browser.live_site import joined, joins, wait_for
from tests.browser.test_tutorial import Reader, open_when_up
from tests.snippets import ROOT, Snippet, snippets

reader = test_tutorial.reader  # a fixture

URLS = """
from django.contrib import admin
from django.shortcuts import render
from django.urls import include, path

urlpatterns = [path("", lambda request: render(request, "index.html")), path("admin/", admin.site.urls)]
"""


def written(reader: Reader, name: str, text: str) -> None:
    reader.follow(Snippet(ROOT, "", f"{name} +", text, 0))


def test_the_quick_start(reader: Reader, new_page: Callable[[], Page]) -> None:
    sending, _look, _install, settings, urls, html = snippets(ROOT / "README.md")
    reader.type("django-admin startproject mysite .")
    (reader.folder / "templates").mkdir()
    (reader.folder / "templates/index.html").write_text(f'<!doctype html><link rel="icon" href="data:,">{html.text}')
    (reader.folder / "mysite/urls.py").write_text(URLS + urls.text)
    written(reader, "mysite/settings.py", 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n' + settings.text)
    for command in ("migrate", "createsuperuser --username ann --email ann@example.org", "runws", "runserver"):
        reader.type(f"python manage.py {command}")
    url = f"http://localhost:{reader.port}"
    page = new_page()
    told: list[str] = []
    page.on("console", lambda entry: told.append(entry.text))
    open_when_up(page, f"{url}/admin/")
    page.fill("#id_username", "ann"), page.fill("#id_password", "secret"), page.click("[type=submit]")
    for name, level in (("users", "users"), ("news", "public")):
        page.goto(f"{url}/admin/instant/channel/add/")
        page.fill("#id_name", name), page.select_option("#id_level", level), page.click("[name=_save]")
        expect(page.locator(".messagelist .success")).to_be_visible()
    page.goto(url)
    joined(page, "$users", "news")
    watching = page.context.new_page()
    wait = joins(watching)
    watching.goto(f"{url}/instant/")
    wait(3)  # those two, and the user's own
    reader.run(["python", "manage.py", "shell", "-c", sending.text])
    for text in ("$users Hello, all who are logged in null", "news Hello, everybody {id: 7}"):
        wait_for(page, lambda text=text: text in told, f"{text!r} in {told}")
    expect(watching.locator("#log .text")).to_have_text(["Hello, everybody", "Hello, all who are logged in"])
