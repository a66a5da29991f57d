from __future__ import annotations

import copy
import json
import pickle

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import Client, RequestFactory
from django.utils import timezone, translation
from pytest_django import Settings

from instant.access.session_binding import bound_meta, session_of
from instant.exceptions import Deny, InvalidSetting
from instant.exclude import tags_of
from instant.protocol import SENDER_HEADER
from instant.windows import InfoMiddleware, WindowInfo
from instant.windows.window_keys import window_key

ONE, TWO = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann", is_staff=True)


def request_of(user, **headers):
    request = RequestFactory(headers=headers).get("/")
    request.user = user
    client = Client()
    if user.is_authenticated:
        client.force_login(user)
    request.session = client.session
    return request


class TenantMiddleware(InfoMiddleware):
    def from_request(self, request, info) -> None:
        info.values["tenant"] = request.META.get("HTTP_X_TENANT", "none")


def test_a_bare_one_is_of_nobody() -> None:
    info = WindowInfo()
    assert not info.is_authenticated
    assert info.is_anonymous
    assert not info.is_staff
    assert not info.is_superuser
    assert not info.is_refused
    assert info.permissions == frozenset()
    assert not info.has_perm("auth.view_group")
    assert (info.window_key, info.user_id, info.user_pk, info.username) == ("", "", None, "")
    assert isinstance(info.user, AnonymousUser)
    with pytest.raises(AttributeError):
        info.csrf  # noqa: B018


def test_of_a_request(ann: User) -> None:
    ann.user_permissions.add(Permission.objects.get(codename="view_group"))
    request = request_of(ann, user_agent="Firefox" * 200)
    with translation.override("fr"), timezone.override("Europe/Paris"):
        info = WindowInfo.from_request(request)
    assert (info.user_id, info.user_pk, info.username, info.user) == (str(ann.pk), str(ann.pk), "ann", ann)
    assert info.window_key == window_key(request)
    assert len(info.window_key) == 32
    assert (info.language, info.time_zone) == ("fr", "Europe/Paris")
    assert info.address == "127.0.0.1"
    assert len(info.user_agent) == 500
    assert info.is_staff
    assert not info.is_superuser
    assert info.permissions == info.perms == {"auth.view_group"}
    assert info.has_perm("auth.view_group")
    assert WindowInfo.from_request(info) is info
    assert WindowInfo.from_request(None).window_key == ""
    with pytest.raises(TypeError, match="request"):
        WindowInfo.from_request("request")


def test_the_sessions_key_is_nowhere(ann: User) -> None:
    request = request_of(ann)
    info = WindowInfo.from_request(request)
    assert request.session.session_key not in json.dumps(info.to_dict()) + repr(info)
    assert info.session == session_of(request).hash
    assert len(info.session) == 32
    assert session_of(request_of(ann)).hash != info.session, "another session"


def test_signed_cookies_have_a_key_that_changes(ann: User, settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    request = request_of(ann)
    before = session_of(request).hash
    request.session["more"] = 1
    request.session.save()
    assert session_of(request).hash == before != ""


def test_without_sessions() -> None:
    assert session_of(RequestFactory().get("/")).hash == ""
    assert WindowInfo.from_request(RequestFactory().get("/")).session == ""


def test_through_json_and_back(ann: User) -> None:
    info = WindowInfo.from_request(request_of(ann))
    again = WindowInfo.from_dict(json.loads(json.dumps(info.to_dict())))
    assert again.to_dict() == info.to_dict()
    assert again.user == ann
    assert (
        copy.copy(info).to_dict() == pickle.loads(pickle.dumps(WindowInfo(window_key="w"))).to_dict() | info.to_dict()
    )


def test_the_user_is_read_again(ann: User) -> None:
    values = WindowInfo.from_request(request_of(ann)).to_dict()
    assert WindowInfo.from_dict(values).is_staff
    User.objects.update(is_staff=False)
    assert not WindowInfo.from_dict(values).is_staff
    User.objects.update(is_active=False)
    info = WindowInfo.from_dict(values)
    assert info.is_refused
    assert not info.is_authenticated
    User.objects.all().delete()
    assert WindowInfo.from_dict(values).is_refused
    assert WindowInfo(user_id="no number").is_refused


def test_a_user_can_be_set(ann: User) -> None:
    info = WindowInfo()
    info.user = ann
    assert (info.user_id, info.username) == (str(ann.pk), "ann")
    info.user = AnonymousUser()
    assert info.user_id == ""


@pytest.mark.parametrize("setting", ["INSTANT_WINDOW_INFO_MIDDLEWARES", "WINDOW_INFO_MIDDLEWARES"])
def test_middlewares_of_a_project(db: None, settings: Settings, setting: str) -> None:
    setattr(settings, setting, ["df_websockets.ws_middleware.WindowKeyMiddleware", f"{__name__}.TenantMiddleware"])
    info = WindowInfo.from_request(request_of(AnonymousUser(), x_tenant="acme", user_agent="x"))
    assert info.tenant == "acme"
    assert info.window_key
    assert info.user_agent == ""
    assert WindowInfo.from_dict(info.to_dict()).tenant == "acme"
    assert WindowInfo.from_client("", {}, {"X-Tenant": "acme"}).tenant == "acme"


def test_a_middleware_that_is_not_there(settings: Settings) -> None:
    settings.INSTANT_WINDOW_INFO_MIDDLEWARES = ["nowhere.Middleware"]
    with pytest.raises(InvalidSetting, match="nowhere"):
        WindowInfo.from_request(RequestFactory().get("/"))


def test_of_a_call(ann: User) -> None:
    info = WindowInfo.from_client(str(ann.pk), bound_meta(ann, "s", "w"), {"User-Agent": "x"}, "10.0.0.1")
    assert (info.window_key, info.session, info.user, info.user_agent, info.address) == ("w", "s", ann, "x", "10.0.0.1")
    visitor = WindowInfo.from_client("", {})
    assert (visitor.window_key, visitor.session, visitor.user_id) == ("", "", "")


def test_who_calls_can_be_left_out(ann: User) -> None:
    """The id is the server's own word, not the header's."""
    info = WindowInfo.from_client(str(ann.pk), bound_meta(ann), {SENDER_HEADER: TWO}, client=ONE)
    assert tags_of(info) == {"user": str(ann.pk), "client": ONE}
    queued = WindowInfo.from_dict(json.loads(json.dumps(info.to_dict())))
    assert tags_of(queued) == tags_of(info)
    assert tags_of(WindowInfo.from_client("", {}, {SENDER_HEADER: TWO})) is None
    assert tags_of(WindowInfo.from_client("", {}, client=ONE)) == {"user": "", "client": ONE}


def test_who_asks_for_a_page_can_be_left_out(ann: User) -> None:
    info = WindowInfo.from_request(request_of(ann, x_instant_client=f"{ONE}, {TWO}"))
    assert tags_of(info) == {"user": str(ann.pk), "client": f"{ONE},{TWO}"}
    for ids in ("", "x" * 5000, f"{ONE}@7"):
        assert tags_of(WindowInfo.from_request(request_of(ann, x_instant_client=ids))) is None
    assert tags_of(WindowInfo()) is None


def test_of_a_call_by_username(ann: User, settings: Settings) -> None:
    settings.INSTANT_USER_ID = "username"
    User.objects.create_user(str(ann.pk))
    assert WindowInfo.from_client("ann", bound_meta(ann)).user == ann
    with pytest.raises(Deny):
        WindowInfo.from_client("ann", {})


@pytest.mark.parametrize("user", ["0", "x", "-1"])
def test_nobody_calls_as_who_is_not_there(db: None, user: str) -> None:
    with pytest.raises(Deny):
        WindowInfo.from_client(user, {})


def test_who_is_not_active_calls_nothing(ann: User) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(Deny):
        WindowInfo.from_client(str(ann.pk), {})


def test_language_and_time_zone_are_active() -> None:
    with WindowInfo(language="fr", time_zone="Europe/Paris").activated():
        assert translation.get_language() == "fr"
        assert timezone.get_current_timezone_name() == "Europe/Paris"
    with WindowInfo(language="../etc", time_zone="America").activated():
        assert timezone.get_current_timezone_name() == "America/Chicago"
