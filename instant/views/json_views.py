"""JSON in and out: a broken body is a 4xx with a reason, an answer with tokens is never stored."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

View = Callable[[HttpRequest], HttpResponseBase]


class Refused(Exception):
    """Raised inside a view decorated with `json_view`: becomes the JSON answer `{"error", "reason"}`.

    `retry_after` is how many seconds the client should wait, for the header of that name.
    """

    def __init__(self, status: int, code: str, reason: str, *, retry_after: int | None = None) -> None:
        self.status, self.code, self.reason, self.retry_after = status, code, reason, retry_after
        super().__init__(status, code, reason)


#: A length that Django can read; a longer one than this is no length of a body.
_LENGTH = re.compile(r"[0-9]{1,18}")


def require_length(request: HttpRequest) -> None:
    """Refuse a request whose Content-Length is no number: Django fails with a ValueError where it reads the body.

    Raises:
        Refused: it is none.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not _LENGTH.fullmatch(str(length)):
        raise Refused(400, "bad_request", "the Content-Length must be a number of bytes")


#: What becomes a JSON answer of the 4xx. The CSRF check reads `request.POST`, so all views get what that raises.
_REFUSALS = (
    Refused, PermissionDenied, SuspiciousOperation, MultiPartParserError, BadRequest, UnreadablePostError,
    RawPostDataException,
)  # fmt: skip


class JsonCsrf(CsrfViewMiddleware):
    """Django's own CSRF protection, which refuses in JSON."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        logging.getLogger("django.security.csrf").warning("Forbidden (%s): %s", reason, request.path)
        return JsonResponse({"error": "csrf", "reason": f"CSRF: {reason}"}, status=403)


def refusals_as_json(view: View) -> View:
    """Answer a request that cannot be read with a JSON refusal; for views without `json_view`, which does it."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponseBase:
        try:
            require_length(request)
            response = view(request)
        except _REFUSALS as error:
            response = refusal(_refused(error))
        response.setdefault("Cache-Control", "no-store, private")
        return response

    return wrapped


def json_view(*methods: str) -> Callable[[View], View]:
    """Let a view take these methods only, answer each refusal as JSON, and keep every answer out of all caches.

    LoginRequiredMiddleware lets it pass: who is not logged in gets an answer of the view, not a page to log in.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest) -> HttpResponseBase:
            try:
                require_length(request)
                if request.method not in methods:
                    raise Refused(405, "method_not_allowed", f"use {' or '.join(methods)}")
                response = view(request)
            except _REFUSALS as error:
                refused = _refused(error)
                response = refusal(refused)
                if refused.status == 405:
                    response["Allow"] = ", ".join(methods)
            response["Cache-Control"] = "no-store, private"
            return response

        wrapped.login_required = False  # type: ignore[attr-defined]
        return wrapped

    return decorate


def refusal(refused: Refused) -> JsonResponse:
    """Return the JSON answer of a refusal."""
    response = JsonResponse({"error": refused.code, "reason": refused.reason}, status=refused.status)
    if refused.retry_after is not None:
        response["Retry-After"] = str(refused.retry_after)
    return response


#: What Django would answer with a page of HTML, as status, code and reason; the first type that fits counts.
_ANSWERS: tuple[tuple[type[Exception], tuple[int, str, str]], ...] = (
    (RequestDataTooBig, (413, "too_large", "the body is too large")),
    (DisallowedHost, (400, "bad_host", "this host is not in ALLOWED_HOSTS")),
    (UnreadablePostError, (400, "unreadable", "the body could not be read to its end")),
    # The CSRF check has read the form, and the body is no longer there.
    (RawPostDataException, (415, "unsupported_media_type", "send JSON, with Content-Type: application/json")),
    (Exception, (400, "bad_request", "the body is broken, has too many fields, or is a form that is not in UTF-8")),
)


def _refused(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, PermissionDenied):  # of a receiver of a signal, such as django-axes' user_locked_out
        return Refused(403, "permission_denied", str(error) or "permission denied")
    return Refused(*next(answer for kind, answer in _ANSWERS if isinstance(error, kind)))


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the body, a JSON object; {} where it is empty.

    Raises:
        Refused: it is not JSON, or no object.
        UnreadablePostError: it was cut off on its way.
        RequestDataTooBig: it is too large.
        RawPostDataException: it is a form, which the CSRF check has read.
    """
    body = request.body
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "invalid_json", "the body is not JSON in UTF-8") from error
    if not isinstance(content, dict):
        raise Refused(400, "invalid_json", "the body must be a JSON object, {…}")
    return content


def require_json(request: HttpRequest) -> None:
    """Refuse what a form on another site can send without asking first: anything but application/json.

    Raises:
        Refused: the Content-Type is another one.
    """
    if request.content_type != "application/json":
        raise Refused(415, "unsupported_media_type", "send JSON, with Content-Type: application/json")


def text_field(content: dict[str, Any], name: str) -> str:
    """Return the text under `name`.

    Raises:
        Refused: it is not there, or no text; a half of a surrogate pair, which no database takes, is none.
    """
    value = content.get(name)
    if not isinstance(value, str) or not value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Refused(400, "missing_field", f"the body needs {name!r}, as text")
    return value
