"""docs/architecture.md names the way of a message, of a call and of a page: the code goes just these ways."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.test import Client
from django.urls import include, path
from pytest_django import Settings

from instant import publish
from instant.conf import conf
from instant.models import Channel
from instant.windows import everyone, signal
from tests.fakes import accepted, fake_server
from tests.features import use_features
from tests.live_pages import histories
from tests.structure.pictures import Step, steps
from tests.structure.ways import stack_at

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
#: How many files each way may have.
MOST_FILES = {"message": 5, "call": 10, "page": 6}
#: Where a way leaves the package: the HTTP client carries the request of step 4 of a message.
CARRIER = "instant/centrifugo/http.py"


def in_python(name: str) -> list[Step]:
    return [step for step in steps(name) if step.file.endswith(".py")]


@pytest.mark.parametrize("name", MOST_FILES)
def test_the_page_lists_the_steps_of_the_picture(name: str) -> None:
    section = PAGE.partition(f"## The way of a {name}\n")[2].partition("\n## ")[0]
    assert f"](architecture/{name}.svg)" in section
    listed = re.findall(r"^(\d+)\. (?:`([^`]+)`, `([^`]+)`|([^`\n]+)$)", section, re.MULTILINE)
    assert [(int(number), file, function) for number, file, function, _ in listed] == [
        (step.number, step.file, step.function) for step in steps(name)
    ]
    assert [other for *_, other in listed if other] == [step.lane for step in steps(name) if not step.file]


@pytest.mark.parametrize(("name", "most"), MOST_FILES.items())
def test_a_way_is_short(name: str, most: int) -> None:
    files = {step.file for step in steps(name) if step.file}
    assert len(files) <= most, f"{len(files)} files, at most {most}: {', '.join(sorted(files))}"


def assert_way(name: str, run: Callable[[], object], until: list[str], carriers: tuple[str, ...] = ()) -> None:
    """Run it until each of these functions: the files on the stacks are those of the list, and so are the functions."""
    stacks = [stack_at(last, run) for last in until]
    listed = [(step.file, step.function) for step in in_python(name)]
    assert {file for stack in stacks for file, _ in stack} - {*carriers} == {file for file, _ in listed}
    entered: set[tuple[str, str]] = set()
    for stack in stacks:
        bare = [(file, function.partition(".<locals>")[0]) for file, function in stack]
        on_the_way = [step for step in bare if step in listed]
        assert on_the_way == sorted(on_the_way, key=listed.index), "in the order of the list"
        entered.update(on_the_way)
    assert entered == {*listed}


@pytest.mark.parametrize("until", ["instant/centrifugo/http.py:post", "instant/backends/python.py:PythonBackend.send"])
def test_a_message(until: str) -> None:
    with fake_server(accepted):
        assert_way(
            "message",
            lambda: publish("public", "hi"),
            ["instant/messages.py:Message.__post_init__", until],
            carriers=(CARRIER,),
        )


@pytest.mark.django_db
def test_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)
    called = []

    @signal("ways.add", everyone)
    def add(window_info: object, first: int, second: int) -> int:
        called.append((first, second))
        return first + second

    def call() -> None:
        body = {"client": "c1", "user": "", "method": "ways.add", "data": {"first": 1, "second": "2"}}
        response = Client().post(
            "/instant/proxy/rpc/",
            json.dumps(body),
            content_type="application/json",
            headers={"X-Instant-Secret": conf.proxy_secret},
        )
        assert response.json() == {"result": {"data": {"value": 3}}}

    assert_way("call", call, ["instant/windows/arguments.py:Parameters.bind", "instant/windows/running.py:value_of"])
    assert called == [(1, 2)] * 2


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template("{% load instant %}{% instant_client %}").render(RequestContext(request)))


urlpatterns = [path("page/", show), path("instant/", include("instant.urls"))]


@pytest.mark.django_db
def test_a_page(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "instant.middleware.InstantMiddleware"]
    Channel.objects.create(name="users", level="users")
    client = Client()
    client.force_login(User.objects.create_user("alice"))

    def get() -> None:
        with fake_server(histories()):
            assert b'"$users"' in client.get("/page/").content

    last = ["instant/pages/context.py:client_context", "instant/access/client_credentials.py:credentials_from"]
    assert_way("page", get, last)
