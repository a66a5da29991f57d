"""The scripts that Django renders are good JavaScript, and so are the templates that the documentation shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from instant.models import Channel
from tests.live_pages import render
from tests.snippets import ROOT, snippets

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed"),
]

#: Runs each script by itself, as a browser does, with a stand-in for the engine; then calls what it was given.
RUN = """
const vm = require("vm");
const out = {logs: [], errors: [], handled: {}, labels: null, started: 0, joined: {}};
const given = {handlers: {}, events: {}, clients: []};
const sandbox = {
  document: {},
  console: {log: (...words) => out.logs.push(words)},
  instant: {page: {
    labels: (fn) => { out.labels = fn(); },
    handler: (channel, fn) => { given.handlers[channel] = fn; },
    event: (name, fn) => { given.events[name] = fn; },
    client: (fn) => given.clients.push(fn),
    start: () => { out.started++; },
  }},
};
vm.createContext(sandbox);
const scripts = JSON.parse(require("fs").readFileSync(0, "utf-8"));
for (const script of scripts) {
  try { vm.runInContext(script, sandbox); } catch (error) { out.errors.push(error.name); }
}
const seven = ["important", "$c", "text", {a: 1}, "Site", "u1", "t1"];
for (const [name, fn] of Object.entries(given.handlers)) out.handled[name] = fn(...seven) ?? null;
given.events.connect?.({client: "c1"});
given.events.disconnect?.(3000, "gone");
const centrifuge = {
  subscribe: (name, callbacks) => { out.joined[name] = Object.keys(callbacks); callbacks.join?.({}); },
};
for (const fn of given.clients) fn(centrifuge, (dataset) => dataset, true);
out.title = sandbox.document.title;
console.log(JSON.stringify(out));
"""


def run(html: str) -> Any:
    found = re.findall(r"<script(?:\s+nonce=\S+)?>(.*?)</script>", html, re.DOTALL)
    done = subprocess.run(["node", "-e", RUN], input=json.dumps(found), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def page_request() -> HttpRequest:
    request = RequestFactory().get("/private/")
    request.user = User.objects.create_user("o'alice")
    return request


@pytest.fixture
def templates(tmp_path: Path, settings: Settings) -> Path:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    for folder in ("handlers", "events"):
        (tmp_path / "instant" / folder).mkdir(parents=True)
    return tmp_path / "instant"


def test_our_own(page_request: HttpRequest) -> None:
    out = run(render(page_request))
    assert (out["errors"], out["logs"], out["started"]) == ([], [], 1)
    assert out["labels"]["classes"]["object created"] == "mq-label mq-created"
    assert out["labels"]["icons"]["object created"] == '<i class="fa fa-plus"></i>'
    assert list(out["handled"]) == ["null"]


def test_seven_variables_and_a_comment_at_the_end(page_request: HttpRequest, templates: Path) -> None:
    Channel.objects.create(name='my"\\chan', level="public")
    values = "return [event_class, channel, message, data, site, uid, timestamp]; // the end"
    (templates / "handlers/my%22%5Cchan.js").write_text(values)
    for name in ("events/connect", "events/disconnect", "extra_clients", "event_class_format"):
        (templates / f"{name}.js").write_text("var label_classes = {}, label_icons = {} // the end")
    out = run(render(page_request))
    assert (out["errors"], out["started"], out["labels"]) == ([], 1, {"classes": {}, "icons": {}})
    assert out["handled"]['my"\\chan'] == ["important", "$c", "text", {"a": 1}, "Site", "u1", "t1"]


def test_an_error_in_one_spoils_no_other(page_request: HttpRequest, templates: Path) -> None:
    Channel.objects.create(name="bad", level="public")
    Channel.objects.create(name="good", level="public")
    (templates / "handlers/bad.js").write_text("if (")
    (templates / "handlers/good.js").write_text("return 1")
    (templates / "event_class_format.js").write_text("var = ;")
    (templates / "extra_clients.js").write_text("}")
    out = run(render(page_request))
    assert out["errors"] == ["SyntaxError"] * 3
    assert (out["handled"], out["started"]) == ({"good": 1, "null": None}, 1)


def test_those_of_the_documentation(page_request: HttpRequest, templates: Path) -> None:
    shown = [snippet for snippet in snippets(ROOT / "docs/pages.md") if snippet.place == "template"]
    html, handler, event, labels, clients = shown
    assert [snippet.language for snippet in shown] == ["html", "js", "js", "js", "js"]
    (templates / "handlers/default.js").write_text(handler.text)
    (templates / "events/connect.js").write_text(event.text)
    (templates / "event_class_format.js").write_text(labels.text)
    (templates / "extra_clients.js").write_text(clients.text)
    out = run(render(page_request, html.text))
    assert (out["errors"], out["started"]) == ([], 1)
    assert out["logs"] == [["/private/", "$c", "text", {"a": 1}, "Site", "u1", "t1"], ["JOIN: {}"]]
    assert out["labels"]["classes"]["order paid"] == "mq-label my-paid"
    assert out["title"] == "o'alice"
    assert out["joined"] == {"$mychannel": ["message", "join", "leave", "subscribe", "unsubscribe", "error"]}
