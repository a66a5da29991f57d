"""Random requests to all URLs of `instant.urls`, and what each answer must be like."""

from __future__ import annotations

import io
import json
import random
import traceback
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from instant.conf import conf

from . import fuzzing

PASSWORD = "correct horse"
URLS = {
    "login": "/instant/login/",
    "get_token": "/instant/get_token/",
    "subscribe": "/instant/subscribe/",
    "logout": "/instant/logout/",
    "rpc": "/instant/proxy/rpc/",
    "frontend": "/instant/",
    "labels": "/instant/labels.js",
}
#: Signals that the tests connect.
SIGNALS = ("fuzz.echo", "fuzz.typed", "fuzz.dates", "fuzz.lists", "fuzz.window", "fuzz.server", "fuzz.unknown")
_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X" * 300, "PROPFIND")
#: Not with charsets for which Django itself fails before it calls any middleware: those that are no text encodings
#: (base64), and those that cannot decode every query string (punycode, idna).
_CONTENT_TYPES = (
    "", "application/json; charset=utf-8", "application/json; charset=latin-1", "application/json;charset=",
    "application/json; charset=nonsense", "application/json; charset=utf-16", "text/plain", "APPLICATION/JSON",
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7",
    "application/x-www-form-urlencoded; charset=cp037", "application/x-www-form-urlencoded; charset=utf-16",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=X",
    "multipart/form-data; boundary=X; charset=unicode_escape", "multipart/form-data; boundary=" + "b" * 300, ";", "é/ü",
)  # fmt: skip
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=X")
_LENGTHS = ("-1", "abc", "1e3", " 2", "9" * 18, "9" * 30, "0", "1", "²", "3000000", "", "0x1", "+1", "2,2")
_HEADERS = (
    "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_X_CSRFTOKEN", "HTTP_AUTHORIZATION", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE",
    "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_CONTENT_ENCODING", "HTTP_EXPECT",
    "HTTP_X_INSTANT_CLIENT", "HTTP_X_INSTANT_SECRET", "HTTP_TRANSFER_ENCODING", "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH", "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_X_REQUESTED_WITH", "HTTP_COOKIE", "HTTP_HOST",
    "QUERY_STRING", "REMOTE_ADDR",
)  # fmt: skip
_VALUES = {
    "HTTP_ORIGIN": ("null", "http://[", "http://[::1", "https://front.example.org", "http://testserver", "//", "x:y:z"),
    "HTTP_REFERER": ("https://testserver/", "https://[", "https://testserver:99999/"),
    "HTTP_HOST": ("[1:2]", "[::1]", "[", "a:b", "testserver:99999", "testserver.", "..", "x" * 300, "xn--a"),
    "HTTP_COOKIE": (
        "sessionid=",
        "sessionid=\\000",
        "sessionid=x; sessionid=y",
        "csrftoken=x",
        "=",
        ";;;",
        "a" * 9_000,
    ),
    "REMOTE_ADDR": ("", "::1", "::ffff:1.2.3.4", "1.2.3.4:80", "[::1]:80", "unix:", "fe80::1%eth0", "999.1.1.1"),
    "HTTP_ACCEPT_LANGUAGE": ("de", "*", "en;q=x", "x" * 600, "a-" * 300),
}

_RPC: dict[str, Any] = {
    "client": "c1", "transport": "websocket", "protocol": "json", "encoding": "json", "user": "1",
    "method": "fuzz.echo", "data": {"value": 1}, "meta": {"window": "k", "session": "s", "user": "1", "pk": "1"},
}  # fmt: skip
_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"value": 1},
    {"number": 1, "share": 0.5, "flag": True, "amount": "1.5", "key": "12345678-1234-1234-1234-123456789012"},
    {"day": "2024-01-01", "moment": "2024-01-01T00:00:00Z", "span": "P1D", "clock": "12:00"},
    {"numbers": [1, 2], "table": {"a": 1}, "choice": "a", "either": 1},
    {},
)


class Browsers:
    """A visitor, a user and a superuser, with a window each; whoever was logged out is logged in again."""

    def __init__(self) -> None:
        self.users = {
            "": None,
            "ann": User.objects.create_user("ann", password=PASSWORD),
            "root": User.objects.create_superuser("root", password=PASSWORD),
        }
        self._clients: dict[tuple[str, bool], Client] = {}
        self.blobs = {name: self._blob(self.of(name, strict=False)) for name in self.users}

    def of(self, name: str, *, strict: bool) -> Client:
        """Return the browser of a user, with CSRF checks if it is `strict`."""
        if (name, strict) not in self._clients:
            client = Client(raise_request_exception=False, enforce_csrf_checks=strict)
            if user := self.users[name]:
                client.force_login(user)
            client.get(URLS["get_token"])  # the CSRF cookie: a case must not depend on those before it
            self._clients[name, strict] = client
        return self._clients[name, strict]

    def renew(self, name: str, *, strict: bool) -> None:
        """Use a new browser, after its session has changed."""
        self._clients.pop((name, strict), None)

    def _blob(self, client: Client) -> str:
        from django.contrib.auth.models import AnonymousUser
        from django.test import RequestFactory

        from instant.windows import page_window

        request: Any = RequestFactory().get("/page/")
        request.session = client.session
        request.user = next((user for user in self.users.values() if user and self._is(client, user)), AnonymousUser())
        return str(page_window.of_page(request).blob)  # type: ignore[union-attr]

    def _is(self, client: Client, user: User) -> bool:
        return client.session.get("_auth_user_id") == str(user.pk)


class Request:
    """One request: everything about it is drawn from `rng`."""

    def __init__(self, rng: random.Random, number: int, blobs: Mapping[str, str], endpoint: str | None = None) -> None:
        self.rng, self.number = rng, number
        self._users = User.objects.order_by("pk").values_list("pk", flat=True)
        self.endpoint = endpoint or rng.choice(list(URLS))
        self.who, self.strict = rng.choice(list(blobs)), rng.random() < 0.2
        self.method = "POST" if rng.random() < 0.85 else rng.choice(_METHODS)
        self.content_type = "application/json" if rng.random() < 0.85 else rng.choice(_CONTENT_TYPES)
        if self.endpoint == "frontend" and rng.random() < 0.8:
            self.content_type = rng.choice(_FORMS)
        self.body = self._form() if self.content_type in _FORMS else fuzzing.body(rng, self._good(blobs))
        self.environ = self._environ()

    def _good(self, blobs: Mapping[str, str]) -> dict[str, Any]:
        rng = self.rng
        if self.endpoint == "login":
            return {"username": rng.choice(("ann", "root")), "password": PASSWORD, "path": "/news/"}
        if self.endpoint == "rpc":
            user = rng.choice(["", *map(str, self._users), *map(str, self._users), fuzzing.text(rng)])
            meta = {**_RPC["meta"], "user": user}
            data = rng.choice(_ARGUMENTS)
            return {
                **_RPC,
                "client": f"c{self.number}",
                "user": user,
                "method": rng.choice(SIGNALS),
                "data": data,
                "meta": meta,
            }
        blob = blobs[self.who]
        if rng.random() < 0.5:
            place = rng.randrange(len(blob))
            blob = blob[:place] + fuzzing.text(rng) + blob[place + rng.randrange(3) :]
        good = {"path": "/news/", "channels": fuzzing.names(rng), "channel": "news", "window": blob, "client": "c"}
        return {key: good[key] for key in good if rng.random() < 0.6}

    def _form(self) -> bytes:
        rng, good = (
            self.rng,
            {"channel": "news", "message": "hello", "data": '{"a": 1}', "event_class": "info", "bucket": "b"},
        )
        fields = [(key, fuzzing.text(rng) if rng.random() < 0.4 else good[key]) for key in good if rng.random() < 0.8]
        if rng.random() < 0.3:
            fields.append(("data", fuzzing.encoded(rng, {"a": [1, {"b": None}]})))
        if rng.random() < 0.02:
            fields += [(f"f{number}", "") for number in range(1_100)]
        pairs = [(key.encode(), written.encode("utf-8", "surrogatepass")) for key, written in fields]
        if self.content_type.startswith("multipart"):
            head = b'--X\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
            extra = [
                rng.choice((b"", b"", b"", b'; filename="f"', b"\r\nContent-Transfer-Encoding: base64")) for _ in pairs
            ]
            whole = (
                b"".join(head % (key, more, written) for (key, written), more in zip(pairs, extra, strict=True))
                + b"--X--\r\n"
            )
        else:
            whole = b"&".join(b"%b=%b" % (key, written.replace(b"&", b"%26")) for key, written in pairs)
        return whole[: rng.randrange(len(whole) + 1)] if rng.random() < 0.1 else whole

    def _environ(self) -> dict[str, Any]:
        rng = self.rng
        # Every case has an address of its own: else most log-ins would be refused unread.
        environ: dict[str, Any] = {
            "REMOTE_ADDR": f"10.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}"
        }
        environ["CONTENT_LENGTH"] = str(len(self.body))
        if self.endpoint == "rpc" and rng.random() < 0.9:
            environ["HTTP_X_INSTANT_SECRET"] = str(conf.proxy_secret)
        for _ in range(rng.choice((0, 0, 1, 2, 4))):
            name = rng.choice(_HEADERS)
            known = _VALUES.get(name)
            environ[name] = rng.choice(known) if known and rng.random() < 0.6 else fuzzing.header(rng)
        if rng.random() < 0.05:
            environ["CONTENT_LENGTH"] = rng.choice(_LENGTHS)
        broken = rng.random() < 0.02
        if "HTTP_HOST" in environ:  # Django's own page for a wrong host fails if the body cannot be read
            self.content_type, broken = "application/json", False
        environ["CONTENT_TYPE"] = self.content_type
        environ["wsgi.input"] = fuzzing.Broken() if broken else io.BytesIO(self.body)
        return environ

    def __repr__(self) -> str:
        environ = {name: written for name, written in self.environ.items() if name != "HTTP_X_INSTANT_SECRET"}
        return f"{self.method} {self.endpoint} as {self.who or 'visitor'} {environ!r:.800} {self.body!r}"

    def send(self, browsers: Browsers) -> HttpResponse:
        """Send it, and return the answer."""
        client = browsers.of(self.who, strict=self.strict)
        response = client.generic(self.method, URLS[self.endpoint], **self.environ)
        if "sessionid" in response.cookies:
            browsers.renew(self.who, strict=self.strict)
        return response

    @property
    def is_stopped_by_django(self) -> bool:
        """Whether Django's own middleware answers, before any view: the host is none."""
        return "HTTP_HOST" in self.environ


def problem(request: Request, browsers: Browsers) -> str:
    """Send a request, and return what is wrong with the answer; "" if nothing is."""
    try:
        response = request.send(browsers)
    except Exception:  # while Django makes its own page for a 400, say
        return traceback.format_exc()[-2_000:]
    return _problem(request, response)


def _problem(request: Request, response: HttpResponse) -> str:
    if response.status_code >= 500:
        return f"status {response.status_code}"
    if request.is_stopped_by_django and response.status_code == 400:
        return ""
    if _is_page(request):
        return ""
    kept = response.headers.get("Cache-Control", "")
    if "no-store" not in kept and not _is_preflight(request):
        return f"Cache-Control is {kept!r}"
    if response.status_code < 400:
        return ""
    return _problem_of_refusal(request, response)


def _problem_of_refusal(request: Request, response: HttpResponse) -> str:
    if request.method == "HEAD":
        return ""
    try:
        answer = json.loads(response.content)
    except ValueError:
        return f"status {response.status_code} without JSON: {response.content[:200]!r}"
    if not (isinstance(answer.get("reason"), str) and answer["reason"]) and not answer.get("refused"):
        return f"status {response.status_code} without a reason: {answer!r:.200}"
    return ""


def _is_page(request: Request) -> bool:
    return request.endpoint == "labels" or (request.endpoint == "frontend" and request.method != "POST")


def _is_preflight(request: Request) -> bool:
    """Whether django-cors-headers answers instead of the view."""
    return request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.environ
