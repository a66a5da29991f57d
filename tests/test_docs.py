"""What the documentation says is true: its snippets run, its commands exist, its tables are complete."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import get_commands, load_command_class
from django.test import Client, override_settings
from django.urls import include, path

from instant import conf
from instant.checks import channels, deployment
from instant.checks import settings as checks
from instant.messages import Message
from instant.testing import Published
from tests.blog import models as blog_models
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.rules import no_rules_left  # noqa: F401 - a fixture
from tests.snippets import PAGES, ROOT, Snippet, all_snippets, commands, snippets

PYTHON_PAGES = [page for page in PAGES if any(s.language == "python" and not s.place for s in snippets(page))]
#: Commands that the test of the tutorial runs, or replaces by the environment that the tests run in.
TUTORIAL = {
    "python -m venv .venv",
    ". .venv/bin/activate",
    "pip install django-instant",
    "pip install django-instant[sockets]",
    "django-admin startproject mysite .",
}


@pytest.fixture(autouse=True)
def blog(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app that the documentation takes for the reader's."""
    monkeypatch.setitem(sys.modules, "blog", types.ModuleType("blog"))
    monkeypatch.setitem(sys.modules, "blog.models", blog_models)


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.name)
def test_python_runs(
    page: Path,
    db: None,
    published: Published,
    settings,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """The snippets of a page run in their order, as one program."""
    settings.INSTANT_NAMESPACES = {"team": {}}
    settings.TEMPLATES = with_templates(settings.TEMPLATES[0], snippets(page))
    names: dict[str, Any] = {"__name__": "snippet"}
    for snippet in snippets(page):
        if snippet.language == "python" and not snippet.place:
            exec(compile("\n" * snippet.line + snippet.text, str(page), "exec"), names)
    for function in [value for name, value in names.items() if name.startswith("test_")]:
        function(**{name: request.getfixturevalue(name) for name in inspect.signature(function).parameters})


def with_templates(engine: dict[str, Any], found: list[Snippet]) -> list[dict[str, Any]]:
    """The engine, with those blocks of a page that are templates with a name."""
    named = {
        snippet.place.partition(" ")[2]: snippet.text for snippet in found if snippet.place.startswith("template ")
    }
    loaders = [
        ("django.template.loaders.locmem.Loader", named),
        "django.template.loaders.app_directories.Loader",
    ]
    return [{**engine, "APP_DIRS": False, "OPTIONS": {**engine["OPTIONS"], "loaders": loaders}}]


@pytest.mark.parametrize("snippet", all_snippets("python", "settings.py"), ids=str)
def test_settings_are_good(snippet: Snippet) -> None:
    names: dict[str, Any] = {"INSTALLED_APPS": [], "MIDDLEWARE": [], "TEMPLATES": [{}], "env": {}}
    names["env"] = dict.fromkeys(re.findall(r'env\["(\w+)"\]', snippet.text), "x" * 40)
    exec(compile(snippet.text, str(snippet), "exec"), names)
    ours = {name: value for name, value in names.items() if name.startswith(("CENTRIFUGO_", "INSTANT_", "SITE_"))}
    assert set(ours) <= {name for name in vars(conf.Settings) if name.isupper()}
    cors = {name: value for name, value in names.items() if name.startswith(("CORS_", "CSRF_", "SESSION_"))}
    with override_settings(**ours, **cors):
        found = checks.check_settings(None) + channels.check_namespaces(None) + deployment.check_deployment(None)
    assert [message for message in found if message.id != "instant.W004"] == []


@pytest.mark.parametrize("snippet", all_snippets("python", "urls.py"), ids=str)
def test_urls_are_good(snippet: Snippet) -> None:
    names: dict[str, Any] = {"urlpatterns": [], "path": path, "include": include}
    exec(compile(snippet.text, str(snippet), "exec"), names)
    assert names["urlpatterns"][0].url_patterns[0].name == "instant-login"


@pytest.mark.parametrize(("snippet", "command"), commands(), ids=lambda value: str(value))
def test_commands_exist(snippet: Snippet, command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[:2] == ["python", "manage.py"]:
        parser = load_command_class(get_commands()[words[2]], words[2]).create_parser("manage.py", words[2])
        parser.parse_args(words[3:])  # an unknown option ends it
    elif words[0] == "npm":
        assert words[1:] == ["install", json.loads((ROOT / "frontend/package.json").read_text())["name"]]
    else:
        assert command in TUTORIAL


def test_the_json_of_the_endpoints_is_what_they_answer(db: None) -> None:
    shown, strict = [json.loads(s.text) for s in snippets(ROOT / "docs/endpoints.md") if s.language == "json"]
    browser = Client()
    browser.force_login(User.objects.create_user("ann"))
    from instant.models import Channel

    Channel.objects.create(name="users", level="users")
    answer = browser.get("/instant/get_token/").json()
    assert list(answer) == list(shown)
    assert [list(channel) for channel in answer["channels"]] == [list(channel) for channel in shown["channels"]]
    with override_settings(INSTANT_STRICT=True):
        assert list(browser.get("/instant/get_token/").json()["channels"][0]) == list(strict)


def test_the_payload_is_what_is_sent() -> None:
    (shown,) = [json.loads(s.text) for s in snippets(ROOT / "docs/publishing.md") if s.language == "json"]
    sent = json.loads(Message("$users", "A message", {"foo": "bar"}, "important", "notifications", "My site").payload)
    assert list(sent) == list(shown)
    assert {**sent, "uid": shown["uid"], "timestamp": shown["timestamp"]} == shown


def test_no_snippet_is_left_out() -> None:
    """A block of another kind, or for another place, would be run by no test."""
    known = {("python", ""), ("python", "settings.py"), ("python", "urls.py"), ("console", ""), ("json", "")}
    known |= {("nginx", "nodes")}  # tests/nodes
    known |= {("html", ""), ("js", ""), ("js", "module"), ("nginx", "")}  # tests/browser, tests/integration
    known |= {("ini", "")}  # tests/sockets
    known |= {("sql", "writer"), ("sql", "insert"), ("sql", "consumer")}  # tests/centrifugo/test_outbox_roles.py
    known |= {("html", "template"), ("js", "template")}  # tests/pages/test_scripts.py
    known |= {("mermaid", "")}  # a picture
    known |= {("js", "sdk")}  # frontend/tests/core/strict.test.ts
    for page in PAGES:
        if page.name not in ("tutorial.md", "live-tutorial.md"):  # tests of tests/browser read all of them
            for snippet in snippets(page):
                assert (snippet.language, snippet.place.partition(" ")[0]) in known, str(snippet)


def test_all_settings_are_listed_with_their_defaults() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    defaults = {name: getattr(conf.Settings, name) for name in vars(conf.Settings) if name.isupper()}
    assert sorted(name for name, _ in rows) == sorted(defaults)
    for name, shown in rows:
        if shown.startswith("`"):
            assert shown == f"`{json.dumps(defaults[name]) if isinstance(defaults[name], str) else defaults[name]}`"
        else:
            assert defaults[name] is None


def test_all_checks_are_listed() -> None:
    listed = set(re.findall(r"`(instant\.[EWI]\d+)`", (ROOT / "docs/settings.md").read_text()))
    sources = "".join(path.read_text() for path in (ROOT / "instant").rglob("*.py"))
    assert listed == set(re.findall(r'"(instant\.[EWI]\d+)"', sources))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_quick_start_is_short() -> None:
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Quick start") : text.index("## How fast")]
    assert len([line for line in section.splitlines()[1:] if line.strip()]) <= 25
