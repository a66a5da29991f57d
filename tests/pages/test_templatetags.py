"""`{% instant_client %}` and `{% instant_stream %}`: what a page gets."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, Engine, RequestContext, engines
from django.template.loaders import filesystem
from django.test import RequestFactory, override_settings
from django.urls import include, path
from pytest_django import Settings

from instant import protocol
from instant.models import Channel
from instant.pages.page_state import page_of
from instant.templatetags import instant as tags
from instant.views import instant_auth
from tests.fakes import fake_server
from tests.live_pages import PLACEHOLDER, asked, histories, marked, page, render

pytestmark = pytest.mark.django_db

INCLUDE, TAG = '{% include "instant/client.html" %}', "{% load instant %}{% instant_client %}"


class Urls(types.ModuleType):
    """A ROOT_URLCONF of its own."""

    def __init__(self, *patterns: Any) -> None:
        super().__init__("urls")
        self.urlpatterns = [*patterns]


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def request_(alice: User) -> HttpRequest:
    return request_of(alice)


def request_of(user: Any, url: str = "/some/page/") -> HttpRequest:
    request = RequestFactory().get(url)
    request.user = user
    return request


@pytest.fixture
def templates(tmp_path: Path, settings: Settings) -> Path:
    """A site's own templates, in front of ours."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def scripts(html: str) -> list[str]:
    """The scripts that run, in their order; each with its attributes."""
    found = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    return [(attributes + body).strip() for attributes, body in found if "application/json" not in attributes]


# What is rendered


@pytest.mark.parametrize("text", [INCLUDE, TAG])
def test_what_a_page_gets(request_: HttpRequest, alice: User, text: str) -> None:
    html = render(request_, text)
    assert page(html) == {
        "prefix": "/instant/", "path": "/some/page/", "user": str(alice.pk), "debug": False, "site": "site",
        "auth_url": None,
    }  # fmt: skip
    assert html.count(PLACEHOLDER) == 1
    assert html.index('id="instant-page"') < html.index(PLACEHOLDER) < html.index("instant/page.js")
    loaded, labels, handler, connect, disconnect, client, start = scripts(html)
    assert loaded == 'src="/static/instant/page.js"'
    assert labels.startswith("instant.page.labels(function () {\n")
    assert labels.endswith("return {classes: label_classes, icons: label_icons};\n});")
    variables = "event_class, channel, message, data, site, uid, timestamp"
    assert handler.startswith(f"instant.page.handler(null, function ({variables}) {{\n")
    assert connect.startswith('instant.page.event("connect", function (context) {\n')
    assert disconnect.startswith('instant.page.event("disconnect", function (code, reason) {\n')
    assert client.startswith("instant.page.client(function (centrifuge, unpack_data, instantDebug) {\n")
    assert start == "instant.page.start();"
    assert re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL).strip() == "", "nothing is displayed"


def test_the_labels_are_those_of_version_0_1(request_: HttpRequest) -> None:
    (labels,) = [script for script in scripts(render(request_, TAG)) if "page.labels" in script]
    classes = dict(re.findall(r"'([\w ]+)' : '(mq-label [\w-]+)'", labels))
    icons = dict(re.findall(r"'([\w ]+)' : '<i class=\"fa fa-([\w-]+)\"></i>'", labels))
    assert list(classes) == [
        "default", "important", "ok", "info", "debug", "warning", "error",
        "object created", "object edited", "object deleted",
    ]  # fmt: skip
    assert classes["object deleted"] == "mq-label mq-deleted"
    assert icons == {
        "default": "flash", "important": "exclamation", "ok": "thumbs-up", "info": "info-circle", "debug": "cog",
        "warning": "exclamation", "error": "exclamation-triangle", "object edited": "pencil",
        "object created": "plus", "object deleted": "remove",
    }  # fmt: skip


@override_settings(INSTANT_DEBUG=True, SITE_SLUG="</script><b>&")
def test_settings_and_the_path_are_escaped() -> None:
    html = render(request_of(AnonymousUser(), "/</script>/"), TAG)
    assert page(html)["debug"] is True
    assert page(html)["site"] == "</script><b>&"
    assert html.count("</script>") == html.count("<script")


@pytest.mark.parametrize("anonymous", [True, False])
def test_visitors(anonymous: bool) -> None:
    with override_settings(INSTANT_ALLOW_ANONYMOUS=anonymous):
        assert page(render(request_of(AnonymousUser()), TAG))["user"] == ("" if anonymous else None)
        assert page(render(RequestFactory().get("/"), TAG))["user"] == ("" if anonymous else None)


def test_who_is_not_active_may_not_connect(alice: User) -> None:
    alice.is_active = False
    assert page(render(request_of(alice), TAG))["user"] is None


def test_a_second_one_renders_nothing(request_: HttpRequest) -> None:
    html = render(request_, INCLUDE + "|" + TAG + "|" + INCLUDE)
    assert html.count("page.start()") == 1
    assert html.split("|")[-2:] == ["", "\n"]


# Without a request


def test_without_a_request_it_says_what_to_do() -> None:
    for text in (TAG, INCLUDE, '{% load instant %}{% instant_stream "a" %}'):
        with pytest.raises(ImproperlyConfigured, match=r"render\(request, …\).*context_processors\.request"):
            engines["django"].from_string(text).render({"request": "none"})


def test_the_context_processor_is_not_needed(request_: HttpRequest) -> None:
    text = "{% load instant %}{% instant_client %}"
    builtins = {"static": "django.templatetags.static"}
    engine = Engine(app_dirs=True, libraries={**builtins, "instant": "instant.templatetags.instant"})
    assert PLACEHOLDER in engine.from_string(text).render(RequestContext(request_, {}))
    with pytest.raises(ImproperlyConfigured):
        engine.from_string(text).render(Context({}))


def test_without_our_urls_it_says_what_to_do(request_: HttpRequest) -> None:
    request_.urlconf = Urls()
    with pytest.raises(ImproperlyConfigured, match=r'path\("instant/", include\("instant.urls"\)\)'):
        render(request_, TAG)


def test_the_urls_of_the_request_are_used(request_: HttpRequest) -> None:
    request_.urlconf = Urls(path("en/live/", include("instant.urls")))
    assert page(render(request_, TAG))["prefix"] == "/en/live/"


# The auth view of version 0.1


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        (path("centrifuge/auth/", instant_auth, name="instant-auth"), "/centrifuge/auth/"),
        (path("my/auth/", instant_auth, name="instant-auth"), "/my/auth/"),
        (path("centrifuge/auth/", instant_auth), "/centrifuge/auth/"),
        (path("centrifuge/", include([path("auth/", instant_auth)])), "/centrifuge/auth/"),
        (path("<path:everything>", instant_auth), None),
        (path("other/", instant_auth), None),
    ],
)
def test_where_the_auth_view_is(request_: HttpRequest, pattern: Any, url: str | None) -> None:
    request_.urlconf = Urls(path("instant/", include("instant.urls")), pattern)
    assert page(render(request_, TAG))["auth_url"] == url


# Handlers


def test_the_handlers_of_the_users_channels(request_: HttpRequest, templates: Path) -> None:
    Channel.objects.create(name="mine", level="users")
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="secret", level="staff")
    write(templates, "instant/handlers/$mine.js", 'log("{{ request.path }}", "{{ word }}"); // {{ user }}')
    write(templates, "instant/handlers/$secret.js", "secret")
    write(templates, "instant/handlers/default.js", "other();")
    html = render(request_, TAG, word="</script>")
    variables = "event_class, channel, message, data, site, uid, timestamp"
    handlers = [script for script in scripts(html) if "page.handler" in script]
    assert handlers == [
        f'>instant.page.handler("$mine", function ({variables}) {{\n'.removeprefix(">")
        + 'log("/some/page/", "&lt;/script&gt;"); // alice\n});',
        f"instant.page.handler(null, function ({variables}) {{\nother();\n}});",
    ]


def test_names_that_are_no_names_of_files(request_: HttpRequest, templates: Path, settings: Settings) -> None:
    settings.INSTANT_NAMESPACES = {"ns": {}}
    Channel.objects.create(name="ns:a/../b", level="users")
    Channel.objects.create(name='q"</script>', level="public")
    write(templates, "instant/handlers/$ns%3Aa%2F..%2Fb.js", "one();")
    write(templates, "instant/handlers/q%22%3C%2Fscript%3E.js", "two();")
    html = render(request_, TAG)
    named = [script for script in scripts(html) if "one();" in script or "two();" in script]
    found = [json.loads(re.search(r'handler\((".*?(?<!\\)"),', script)[1]) for script in named]  # type: ignore[index]
    assert found == ["$ns:a/../b", 'q"</script>']
    assert html.count("</script>") == html.count("<script")


def test_a_name_that_is_too_long_for_a_file_has_no_handler(
    request_: HttpRequest, templates: Path, settings: Settings
) -> None:
    settings.INSTANT_PUBLIC_CHANNELS = [["/" * protocol.MAX_CHANNEL_BYTES]]
    write(templates, "instant/handlers/default.js", "other();")
    handlers = [script for script in scripts(render(request_, TAG)) if "page.handler" in script]
    assert len(handlers) == 1
    assert "other();" in handlers[0]


def test_a_handler_that_cannot_be_read_is_reported(request_: HttpRequest, templates: Path) -> None:
    Channel.objects.create(name="news", level="public")
    (templates / "instant/handlers/news.js").mkdir(parents=True)
    with pytest.raises((IsADirectoryError, PermissionError)):  # the second on Windows
        render(request_, TAG)


def test_events_clients_and_labels_of_the_site(request_: HttpRequest, templates: Path) -> None:
    for name in ("events/connect", "events/disconnect", "extra_clients", "event_class_format"):
        write(templates, f"instant/{name}.js", f"mine('{name}');")
    html = render(request_, TAG)
    assert re.findall(r"mine\('(.*?)'\)", html) == [
        "event_class_format", "events/connect", "events/disconnect", "extra_clients",
    ]  # fmt: skip


def test_an_extra_client_as_in_version_0_1(request_: HttpRequest, templates: Path) -> None:
    write(
        templates,
        "instant/extra_clients.js",
        '{% if user.is_authenticated and request.path == "/some/page/" %}{% include "myapp/client.js" %}{% endif %}',
    )
    write(
        templates,
        "myapp/client.js",
        'var my_callbacks = {\n"message": function(dataset) {},\n{% include "instant/js/join_events.js" %}\n\n'
        'var subscription = centrifuge.subscribe("$mychannel", my_callbacks);',
    )
    (client,) = [script for script in scripts(render(request_, TAG)) if "page.client" in script]
    body = client.partition("{\n")[2].rpartition("\n});")[0]
    assert body.count("{") == body.count("}"), "the include ends the object"
    assert re.findall(r'^"(\w+)": function', body, re.MULTILINE) == [
        "message", "join", "leave", "subscribe", "unsubscribe", "error",
    ]  # fmt: skip
    assert body.count("instantDebug === true") == 5
    other = render(request_of(request_.user, "/other/"), TAG)
    assert "mychannel" not in other


def test_a_missing_handler_is_looked_for_once(request_: HttpRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cached loader, which is Django's default, knows what is missing too."""
    Channel.objects.bulk_create(Channel(name=f"c{number}", level="users") for number in range(50))
    looked: list[str] = []
    contents = filesystem.Loader.get_contents

    def counted(self: filesystem.Loader, origin: Any) -> str:
        looked.append(origin.name)
        return contents(self, origin)

    monkeypatch.setattr(filesystem.Loader, "get_contents", counted)
    engine = engines["django"].engine
    template = engine.from_string(TAG)
    template.render(RequestContext(request_, {}))
    looked.clear()
    template.render(RequestContext(request_of(request_.user), {}))
    assert looked == []


# Nonces


class Lazy:
    """Both Django's and django-csp's are False until they are used."""

    used = False

    def __bool__(self) -> bool:
        return self.used

    def __str__(self) -> str:
        self.used = True
        return 'no"nce'


def nonces(html: str) -> set[str]:
    return {("nonce=" in script) and script.split('"')[1] for script in scripts(html) if "src=" not in script} | {
        match[1] for match in re.finditer(r'<script src="[^"]*" nonce="([^"]*)"', html)
    }


def test_the_nonce_of_the_context(request_: HttpRequest) -> None:
    nonce = Lazy()
    html = render(request_, TAG, csp_nonce=nonce)
    assert nonces(html) == {"no&quot;nce"}
    assert html.count("nonce=") == len(scripts(html)) == 7
    assert nonce.used


def test_the_nonce_of_django_csp(request_: HttpRequest) -> None:
    request_.csp_nonce = Lazy()  # type: ignore[attr-defined]
    assert nonces(render(request_, TAG)) == {"no&quot;nce"}


def test_the_nonce_of_django_6(request_: HttpRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("django.middleware.csp")
    module.get_nonce = lambda request: Lazy() if request is request_ else None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "django.middleware.csp", module)
    tags._django_get_nonce.cache_clear()
    try:
        assert nonces(render(request_, TAG)) == {"no&quot;nce"}
        assert "nonce=" not in render(request_of(request_.user), TAG)
    finally:
        tags._django_get_nonce.cache_clear()


# instant_stream


def test_a_stream(request_: HttpRequest) -> None:
    html = render(request_, '{% load instant %}{% instant_stream "$posts" %}{% instant_stream "$posts" %}{{ x }}')
    assert html == '<template data-instant-stream="$posts"></template>' * 2
    assert page_of(request_).streams == ["$posts"]


def test_a_streams_name_is_escaped(request_: HttpRequest) -> None:
    html = render(request_, "{% load instant %}{% instant_stream name %}", name='a"><b>')
    assert html == '<template data-instant-stream="a&quot;&gt;&lt;b&gt;"></template>'
    assert page_of(request_).streams == ['a"><b>']


def test_a_stream_without_a_name_is_none(request_: HttpRequest) -> None:
    assert render(request_, "{% load instant %}{% instant_stream missing %}") == ""
    assert page_of(request_).streams == []


# Positions


def test_the_tag_takes_positions_only_where_a_page_is_filled(request_: HttpRequest) -> None:
    Channel.objects.create(name="a", level="users")
    text = '{% load instant %}{% instant_stream "x" %}{% instant_client %}{% instant_stream "$a" %}'
    with fake_server(histories()) as server:
        render(request_, text)
        assert server.requests == []
        request = request_of(request_.user)
        page_of(request).fills = True
        render(request, text)
        assert [asked(question) for question in server.requests] == [["x"], ["$a"]]
        assert marked(request) == {"x": 1, "$a": 2}
