"""The auth view of version 0.1, and custom ones like that of its section 8.2."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import Http404
from django.test import Client, override_settings
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from pytest_django import Settings

from instant.conf import conf
from instant.exceptions import InvalidChannel
from instant.models import Channel
from instant.utils import signed_response
from instant.views import instant_auth
from tests.snippets import ROOT, snippets

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
AUTH = "/centrifuge/auth/"


@csrf_exempt
def mychan_auth_view(request: HttpRequest) -> HttpResponse:
    """As in section 8.2, but for what Django has dropped since: request.is_ajax(), is_authenticated()."""
    if request.headers.get("x-requested-with") != "XMLHttpRequest" or not request.method == "POST":
        raise Http404
    data = json.loads(request.body)
    channels = data["channels"]
    client = data["client"]
    response: dict[str, Any] = {}
    for channel in channels:
        response[channel] = {"status": "403"}
        if channel == "$mychannel" and request.user.is_authenticated:
            response[channel] = signed_response(channel, client, user=request.user)
    return JsonResponse(response)


urlpatterns = [
    re_path(r"^centrifuge/auth/$", instant_auth, name="instant-auth"),
    re_path(r"^my/auth/$", mychan_auth_view),
]


@pytest.fixture
def alice() -> User:
    for name, level in (("mine", "users"), ("news", "public"), ("secret", "staff")):
        Channel.objects.create(name=name, level=level)
    return User.objects.create_user("alice")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


def ask(client: Client, content: Any, url: str = AUTH, **headers: str) -> Any:
    return client.post(url, json.dumps(content), content_type="application/json", headers=headers)


def claims(answer: Any) -> dict[str, Any]:
    assert answer["info"] == ""
    return jwt.decode(answer["sign"], conf.hmac_key, algorithms=["HS256"])


def test_each_channel_has_its_answer(browser: Client, alice: User) -> None:
    response = ask(browser, {"client": "c1", "channels": ["$mine", "$secret", "news", "$gone", "\ud800", ""]})
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store, private")
    answer = response.json()
    refused = {"status": 403}
    assert answer == {
        "$mine": answer["$mine"], "news": answer["news"], "$secret": refused, "$gone": refused, "\ud800": refused,
        "": refused,
    }  # fmt: skip
    for name in ("$mine", "news"):
        found = claims(answer[name])
        assert (found["sub"], found["channel"]) == (str(alice.pk), name)


def test_one_name_and_no_client(browser: Client) -> None:
    assert set(ask(browser, {"channels": "$mine"}).json()) == {"$mine"}
    assert ask(browser, {"client": "c1"}).json() == {}
    assert ask(browser, {"client": 5, "channels": []}).status_code == 400


@pytest.mark.parametrize("channels", [5, {"a": 1}, [5], [None], ["x"] * 10_001])
def test_what_is_no_names(browser: Client, channels: Any) -> None:
    response = ask(browser, {"client": "c1", "channels": channels})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_channels")


def test_other_methods_and_bodies(browser: Client) -> None:
    response = browser.get(AUTH)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert browser.post(AUTH, b"{", content_type="application/json").status_code == 400


def test_limits(browser: Client, settings: Settings) -> None:
    """Those of get_token: it gives tokens, too."""
    assert ask(browser, {"client": "c", "channels": ["x"] * 1_025}).status_code == 400
    assert ask(browser, {"client": "c", "channels": ["x"] * 1_024}).status_code == 200
    settings.INSTANT_TOKEN_RATE = "1/60s"
    assert ask(browser, {"client": "c", "channels": ["x"]}).status_code == 200
    response = ask(browser, {"client": "c", "channels": ["x"]})
    assert (response.status_code, response.json()["error"]) == (429, "too_many")


def test_visitors(alice: User) -> None:
    content = {"client": "c1", "channels": ["news", "$mine"]}
    assert ask(Client(), content).json() == {"news": {"status": 403}, "$mine": {"status": 403}}
    with override_settings(INSTANT_ALLOW_ANONYMOUS=True):
        answer = ask(Client(), content).json()
    assert claims(answer["news"])["sub"] == ""
    assert answer["$mine"] == {"status": 403}


def test_who_is_not_active(browser: Client) -> None:
    User.objects.update(is_active=False)
    assert ask(browser, {"channels": ["$mine", "news"]}).json() == {"$mine": {"status": 403}, "news": {"status": 403}}


# signed_response


def test_a_custom_auth_view(browser: Client, alice: User) -> None:
    content = {"client": "c1", "channels": ["$mychannel", "$other"]}
    assert ask(browser, content, "/my/auth/").status_code == 404
    answer = ask(browser, content, "/my/auth/", **{"x-requested-with": "XMLHttpRequest"}).json()
    found = claims(answer["$mychannel"])
    assert (found["sub"], found["channel"], found["exp"] - found["iat"]) == (str(alice.pk), "$mychannel", 300)
    assert answer["$other"] == {"status": "403"}


def test_the_one_of_the_documentation(alice: User, rf: Any) -> None:
    (shown,) = [s for s in snippets(ROOT / "docs/pages.md") if "def mychan_auth_view" in s.text]
    found: dict[str, Any] = {"HttpRequest": HttpRequest}
    exec(compile(shown.text, "docs/pages.md", "exec"), found)
    content = {"client": "c1", "channels": ["$mychannel", "$other"]}
    request = rf.post("/", json.dumps(content), content_type="application/json")
    request.user = alice
    answer = json.loads(found["mychan_auth_view"](request).content)
    assert claims(answer["$mychannel"])["sub"] == str(alice.pk)
    assert answer["$other"] == {"status": 403}


def test_signed_response(alice: User) -> None:
    assert claims(signed_response("$a", "c1", alice))["sub"] == str(alice.pk)
    assert claims(signed_response("$a", "c1"))["sub"] == ""
    assert claims(signed_response("$a", user=AnonymousUser()))["sub"] == ""
    assert signed_response("$a", "c1", alice, info='{"name": "Ann"}')["info"] == '{"name": "Ann"}'
    with pytest.raises(InvalidChannel):
        signed_response("$gone:a", "c1", alice)
