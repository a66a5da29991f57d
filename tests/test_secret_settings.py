"""No secret of a setting is readable on an error page, in a mail to ADMINS, in a log, or in a command's output."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import django
import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path
from django.utils.log import AdminEmailHandler
from django.views.debug import SafeExceptionReporterFilter, technical_500_response
from pytest_django import Settings

from instant import publish
from instant.access.client_credentials import credentials, default_websocket_url
from instant.access.tokens import connection_token
from instant.backends import go_publisher
from instant.centrifugo import cent_api, config, history_positions, http, outbox_config
from instant.conf import conf
from instant.exceptions import InstantError, InvalidSetting, PublishError, ServerError
from instant.secret_text import Secret, SecretAddress, masked
from instant.status import status
from tests.fakes import answer, closed, fake_server

#: One word for each secret, so that a search finds any part of it.
SECRETS = {
    "INSTANT_OUTBOX_DSN": "postgresql://ann:zebra-dsn@127.0.0.1:5432/app",
    "INSTANT_ENGINE": "redis://:zebra-engine@127.0.0.1:6379/0",
    "CENTRIFUGO_HOST": "http://zebra-user:zebra-host@127.0.0.1",
    "CENTRIFUGO_HMAC_KEY": "zebra-hmac-key-of-32-characters-or-more",
    "CENTRIFUGO_API_KEY": "zebra-api",
    "CENTRIFUGO_SECRET_KEY": "zebra-old-key",
    "INSTANT_PROXY_SECRET": "zebra-proxy",
    "INSTANT_BACKEND_URL": "http://ann:zebra-backend@127.0.0.1:8000",
    "INSTANT_SOCKETS_BRIDGE": "http://ann:zebra-bridge@127.0.0.1:8429",
}
ZEBRA = re.compile(r"zebra[-\w]*|emVicm[A-Za-z0-9+/=]*|eyJ[\w-]+[.][\w.-]+")  # and in base64; tokens


class OwnFilter(SafeExceptionReporterFilter):
    """As a project may have it: it hides its own names only."""

    hidden_settings = re.compile("^OWN_")


class OwnSettings(SafeExceptionReporterFilter):
    def get_safe_settings(self) -> dict[str, Any]:
        with warnings.catch_warnings():  # of settings that Django deprecates
            warnings.simplefilter("ignore")
            return {name: getattr(django_settings, name) for name in dir(django_settings) if name.isupper()}


def _publish() -> None:
    publish("public", "Hello")


def _apublish() -> None:
    from asgiref.sync import async_to_sync

    from instant import apublish

    async_to_sync(apublish)("public", "Hello")


def _cent() -> None:
    cent_api.call("info")


def _positions() -> None:
    http.post("batch", b"{}")


def _token() -> None:
    token = connection_token(_visitor())
    answer = credentials(_visitor(), ["public"])
    readable_in_no_frame = [token, answer, answer["channels"]]
    raise ValueError(f"after {len(readable_in_no_frame)} tokens were made")


def _visitor() -> Any:
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()


def _held() -> None:
    held = [getattr(conf, name) for name in SECRETS]
    held += [conf.server_url, conf.api_key, conf.hmac_key, conf.proxy_secret, conf.proxy_secrets, conf.backend_url]
    held += [outbox_config.render(), go_publisher.configuration(), http._headers(conf.api_key)]
    raise ValueError(len(held))


WAYS: dict[str, Callable[[], None]] = {
    function.__name__.strip("_"): function for function in (_publish, _apublish, _cent, _positions, _token, _held)
}


def fail(request: HttpRequest, way: str) -> HttpResponse:
    WAYS[way]()
    return HttpResponse()


urlpatterns = [path("fail/<way>/", fail), path("instant/", include("instant.urls"))]


@pytest.fixture
def secret(settings: Settings) -> None:
    for name, value in SECRETS.items():
        setattr(settings, name, value)
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.ROOT_URLCONF = __name__
    settings.ADMINS = ["a@example.org"] if django.VERSION >= (6, 0) else [("A", "a@example.org")]
    settings.CENTRIFUGO_PORT = 1  # nobody listens there


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


def readable(text: str) -> list[str]:
    """The secrets that are readable in a page or a mail."""
    return sorted(set(ZEBRA.findall(text)))


@pytest.fixture(params=["default", "OwnFilter", "OwnSettings"])
def reporter(request: pytest.FixtureRequest, settings: Settings) -> None:
    if request.param != "default":
        settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.{request.param}"
    from django.views.debug import get_default_exception_reporter_filter

    get_default_exception_reporter_filter.cache_clear()


@pytest.fixture(autouse=True)
def _no_reporter_is_kept() -> Iterator[None]:
    yield
    from django.views.debug import get_default_exception_reporter_filter

    get_default_exception_reporter_filter.cache_clear()


@pytest.mark.django_db
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
@pytest.mark.filterwarnings("ignore:CENTRIFUGO_SECRET_KEY")
def test_the_debug_page_shows_none(
    way: str, accept: str, secret: None, reporter: None, settings: Settings, browser: Client
) -> None:
    settings.DEBUG = True
    response = browser.get(f"/fail/{way}/", headers={"accept": accept})
    assert response.status_code == 500
    content = response.content.decode()
    assert "INSTANT_OUTBOX_DSN" in content
    assert readable(content) == []


@pytest.fixture
def mailing(request: pytest.FixtureRequest) -> Iterator[None]:
    handler = AdminEmailHandler(include_html=request.param)
    loggers = [logging.getLogger(name) for name in ("django.request", "instant")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)


def mailed() -> str:
    return "\n".join(
        text
        for each in mail.outbox
        for text in (each.subject, each.body, *(str(part[0]) for part in each.alternatives))
    )


@pytest.mark.django_db
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mailing", [False, True], indirect=True, ids=["text", "html"])
@pytest.mark.filterwarnings("ignore:CENTRIFUGO_SECRET_KEY")
def test_no_mail_to_admins_has_one(
    way: str, secret: None, reporter: None, mailing: None, settings: Settings, browser: Client
) -> None:
    settings.DEBUG = False
    assert browser.get(f"/fail/{way}/").status_code == 500
    assert "INSTANT_OUTBOX_DSN" in mailed()
    assert readable(mailed()) == []


@pytest.mark.parametrize("mailing", [True], indirect=True)
def test_no_log_of_ours_has_one(
    secret: None, mailing: None, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    history_positions._paused.clear()
    history_positions.positions(["public"])
    publish("public", "Hello", fail_silently=True)
    try:
        publish("public", "Hello")
    except PublishError:
        logging.getLogger("instant").exception("it failed")
    formatted = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "is `manage.py runws` running?" in formatted
    assert readable(formatted) == []
    assert readable(mailed()) == []


@pytest.mark.parametrize("responds", [closed, answer({}, 502), answer({}, 401), answer({"other": 1})])
def test_no_error_of_ours_has_one(responds: Any, secret: None, settings: Settings) -> None:
    with fake_server(responds):
        settings.CENTRIFUGO_HOST = f"http://zebra-user:zebra@{conf.server_url.removeprefix('http://')}"
        for call in (_publish, _apublish, _cent):
            with pytest.raises(InstantError) as caught:
                call()
            assert readable(str(caught.value)) == []
            assert readable(repr(caught.value)) == []


def test_login_shows_no_password(
    db: None, secret: None, settings: Settings, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*args: object, **kwargs: object) -> None:
        raise DatabaseError("the database is away")

    settings.DEBUG = True
    content = {"username": "ann", "password": "".join(["ze", "bra-password"])}  # the page shows these lines
    for place in ("authenticate", "login"):
        monkeypatch.setattr(f"instant.views.auth.auth.{place}", lost)
        response = browser.post("/instant/login/", content, content_type="application/json")
        assert response.status_code == 500
        assert readable(response.content.decode()) == []
        monkeypatch.setattr("instant.views.auth.auth.authenticate", lambda *args, **kwargs: _active())


def _active() -> Any:
    from django.contrib.auth.models import User

    return User(username="ann", is_active=True)


@pytest.mark.filterwarnings("ignore:CENTRIFUGO_SECRET_KEY")
def test_a_failing_call_of_the_server_shows_no_secret(
    secret: None, reporter: None, settings: Settings, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(given: object) -> bool:
        raise ValueError("broken")

    settings.DEBUG = True
    headers = {"X-Instant-Secret": SECRETS["INSTANT_PROXY_SECRET"]}
    for way in ("instant.access.proxy_secret.constant_time_compare", "instant.views.proxies.respond"):
        with monkeypatch.context() as patch:
            patch.setattr(way, lambda *args: broken(None))
            response = browser.post("/instant/proxy/rpc/", {}, content_type="application/json", headers=headers)
        assert response.status_code == 500
        assert readable(response.content.decode()) == []


def test_a_wrong_database_setting_shows_no_password(secret: None, settings: Settings) -> None:
    from django.db import connections

    settings.INSTANT_OUTBOX_DSN = None
    wrong = connections["default"].settings_dict | {"HOST": "a,b"}
    wrong |= {"PASSWORD": "zebra-database", "USER": "ann", "NAME": "app"}
    settings.DEBUG = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections["default"], "settings_dict", wrong)
        with pytest.raises(InvalidSetting) as caught:
            outbox_config.render()
        assert readable(page_of(caught.value)) == []
        patch.setitem(wrong, "HOST", "127.0.0.1")
        assert "zebra-database" not in repr(outbox_config.render())
        assert "zebra-database" in json.dumps(outbox_config.render())


# Commands


@pytest.mark.filterwarnings("ignore:CENTRIFUGO_SECRET_KEY")
def test_no_command_prints_one(secret: None, settings: Settings, tmp_path: Any) -> None:
    out = StringIO()
    assert readable(json.dumps(status())) == []
    with pytest.raises(SystemExit):
        call_command("instantstatus", stdout=out, no_color=True)
    call_command("diffsettings", stdout=out, all=True)
    from instant.management.commands.installws import _next_steps

    out.write(_next_steps(tmp_path / "centrifugo"))
    assert readable(out.getvalue().replace(django_settings.SECRET_KEY, "")) == []


def test_the_config_is_printed_whole_and_help_says_so(secret: None, settings: Settings) -> None:
    out = StringIO()
    call_command("runws", "--print-config", "--server", "dev", stdout=out)
    assert "zebra-api" in out.getvalue()
    from instant.management.commands.runws import Command

    assert "secrets" in Command().create_parser("manage.py", "runws").format_help()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CENTRIFUGO_HOST", "ftp://ann:zebra@host"),
        ("CENTRIFUGO_HOST", "http://ann:zebra@host:no-port"),
        ("CENTRIFUGO_HOST", ["http://ann:zebra@host"]),
        ("CENTRIFUGO_HOST", b"http://ann:zebra@host"),
        ("INSTANT_ENGINE", "rabbit://ann:zebra@host"),
        ("INSTANT_ENGINE", "ann:zebra/zebra@host"),
        ("INSTANT_ENGINE", {"url": "redis://:zebra@host"}),
        ("INSTANT_BACKEND_URL", "http://ann:zebra@host:0"),
        ("INSTANT_BACKEND_URL", 5),
        ("INSTANT_SOCKETS_URL", "http://ann:zebra@host:1"),
        ("INSTANT_OUTBOX_DSN", b"postgresql://ann:zebra@host"),
        ("CENTRIFUGO_API_KEY", "zebra\n"),
        ("CENTRIFUGO_HMAC_KEY", b"zebra"),
        ("INSTANT_PROXY_SECRET", ["zebra"]),
    ],
)
def test_what_is_wrong_is_reported_without_it(name: str, value: Any, settings: Settings) -> None:
    setattr(settings, name, value)
    settings.DEBUG = True
    texts = [str(message) for message in run_checks()]
    assert any(name in text for text in texts) or name == "INSTANT_SOCKETS_URL"  # checked where sockets are used
    assert readable("\n".join(texts)) == []
    try:
        for each in ("server_url", "api_key", "hmac_key", "proxy_secret", "backend_url", "sockets_url"):
            getattr(conf, each)
        config.render()
    except InvalidSetting as error:
        settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.OwnFilter"
        page = page_of(error)
        if isinstance(value, str):  # a value of another type is Django's to print
            assert readable(page) == []
    told = ""
    try:
        call_command("runws", "--print-config", "--server", "dev", stdout=StringIO())
    except CommandError as error:
        told = str(error)
    assert readable(told) == []


def page_of(error: Exception) -> str:
    """The debug page, without the frame of the test, which has the secrets."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    response = technical_500_response(RequestFactory().get("/"), type(error), error.with_traceback(trace), trace)
    return response.content.decode()


# What the settings are for all others


def test_other_code_reads_the_settings_as_they_are(secret: None) -> None:
    for name, value in SECRETS.items():
        found = getattr(django_settings, name)
        assert found == value
        assert hash(found) == hash(value)
        assert str(found) == f"{found}" == "".join([found]) == value
        assert type(str(found)) is str
        assert json.dumps(found) == json.dumps(value)


def test_settings_without_a_secret_are_untouched(settings: Settings) -> None:
    for name, value in {"CENTRIFUGO_HOST": "http://localhost", "INSTANT_ENGINE": "memory", "SITE_NAME": "A"}.items():
        setattr(settings, name, value)
        assert type(getattr(django_settings, name)) is str


def test_an_override_is_masked_too_and_undone() -> None:
    before = django_settings.INSTANT_ENGINE if hasattr(django_settings, "INSTANT_ENGINE") else None
    with override_settings(INSTANT_ENGINE="redis://:zebra@host"):
        assert repr(django_settings.INSTANT_ENGINE) == "'redis://***@host'"
    assert getattr(django_settings, "INSTANT_ENGINE", None) == before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://localhost:8427", "http://localhost:8427"),
        ("no connection to http://ann:pw@host:1/x: refused", "no connection to http://***@host:1/x: refused"),
        ("redis://:p@ss@host", "redis://***@host"),
        ("nats://a:b@h1,nats://c:d@h2", "nats://***@h1,nats://***@h2"),
        ("redis://h?password=pw&db=1", "redis://h?password=***&db=1"),
        ("redis+sentinel://h?sentinel_password=pw", "redis+sentinel://h?sentinel_password=***"),
        ("host=h password=pw dbname=app", "host=h password=*** dbname=app"),
        ("host=h password = 'p w' dbname=app", "host=h password = *** dbname=app"),
        ("mail ann@example.org", "mail ann@example.org"),
    ],
)
def test_credentials_in_a_text_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ann:pw@host", "'***@host'"),
        ("redis://:p/w@host:1/0", "'redis://***@host:1/0'"),
        ("host=h password=pw", "'host=h password=***'"),
        ("http://host", "'http://host'"),
    ],
)
def test_an_address_shows_its_host(address: str, shown: str) -> None:
    assert repr(SecretAddress(address)) == shown


def test_secrets_leave_the_process_as_plain_text() -> None:
    import copy
    import pickle

    for kind in (Secret, SecretAddress):
        assert type(pickle.loads(pickle.dumps(kind("a:b@c")))) is str
        assert type(copy.deepcopy({"x": kind("a:b@c")})["x"]) is kind
    assert repr(Secret("x")) == "'********************'"


def test_browsers_are_not_given_the_credentials(db: None, secret: None) -> None:
    assert default_websocket_url() == "ws://127.0.0.1:1"
    assert readable(credentials(_visitor(), [])["websocket_url"]) == []


def test_a_failing_call_keeps_its_cause_without_the_librarys_frames(secret: None) -> None:
    with pytest.raises(ServerError) as caught:
        http.post("info", b"{}")
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__traceback__ is None
