"""JSON requests and responses. A malformed body gets a 4xx with a reason, and caches never store a response."""

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
    """Raised in a view decorated with `json_view`. It becomes the JSON response `{"error", "reason"}`.

    `retry_after` is the value of the Retry-After header, in seconds.
    """

    def __init__(self, status: int, code: str, reason: str, *, retry_after: int | None = None) -> None:
        self.status, self.code, self.reason, self.retry_after = status, code, reason, retry_after
        super().__init__(status, code, reason)


#: A valid Content-Length. With more digits it cannot be a length.
_LENGTH = re.compile(r"[0-9]{1,18}")


def require_length(request: HttpRequest) -> None:
    """Refuse a request whose Content-Length is not a number.

    Otherwise Django would raise a ValueError when it reads the body.

    Raises:
        Refused: the Content-Length is not a number.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not _LENGTH.fullmatch(str(length)):
        raise Refused(400, "bad_request", "the Content-Length header must be a number of bytes")


#: Exceptions that become a JSON response with 4xx. All views can raise them, because the CSRF check reads
#: `request.POST`.
_REFUSALS = (
    Refused, PermissionDenied, SuspiciousOperation, MultiPartParserError, BadRequest, UnreadablePostError,
    RawPostDataException,
)  # fmt: skip


class JsonCsrf(CsrfViewMiddleware):
    """Django's CSRF protection, with refusals in JSON."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        logging.getLogger("django.security.csrf").warning("Forbidden (%s): %s", reason, request.path)
        return JsonResponse({"error": "csrf", "reason": f"CSRF: {reason}"}, status=403)


def refusals_as_json(view: View) -> View:
    """Respond in JSON to requests that cannot be read. This is for views without `json_view`, which does the same."""

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
    """Let a view accept only these methods, send refusals in JSON, and keep every response out of all caches.

    LoginRequiredMiddleware does not redirect requests to such views. Users who are not logged in get the view's
    response.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest) -> HttpResponseBase:
            try:
                require_length(request)
                if request.method not in methods:
                    raise Refused(405, "method_not_allowed", f"use the method {' or '.join(methods)}")
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
    """Return the JSON response for a refusal."""
    response = JsonResponse({"error": refused.code, "reason": refused.reason}, status=refused.status)
    if refused.retry_after is not None:
        response["Retry-After"] = str(refused.retry_after)
    return response


#: Exceptions for which Django would respond with an HTML page, with status, code and reason. The first type that
#: matches is used.
_ANSWERS: tuple[tuple[type[Exception], tuple[int, str, str]], ...] = (
    (RequestDataTooBig, (413, "too_large", "the body is too large")),
    (DisallowedHost, (400, "bad_host", "the host of this request is not in ALLOWED_HOSTS")),
    (UnreadablePostError, (400, "unreadable", "the body is incomplete")),
    # The CSRF check has read the body as a form, so it can no longer be read.
    (RawPostDataException, (415, "unsupported_media_type", "send JSON, with Content-Type: application/json")),
    (Exception, (400, "bad_request", "the body is malformed, has too many fields, or is a form that is not UTF-8")),
)


def _refused(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, PermissionDenied):  # raised by a signal's receiver, such as user_locked_out of django-axes
        return Refused(403, "permission_denied", str(error) or "permission denied")
    return Refused(*next(answer for kind, answer in _ANSWERS if isinstance(error, kind)))


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the body as a JSON object. Return {} if the body is empty.

    Raises:
        Refused: the body is not JSON, or not an object.
        UnreadablePostError: the body is incomplete.
        RequestDataTooBig: the body is too large.
        RawPostDataException: the body is a form, which the CSRF check has read.
    """
    body = request.body
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "invalid_json", "the body must be JSON in UTF-8") from error
    if not isinstance(content, dict):
        raise Refused(400, "invalid_json", "the body must be a JSON object, {…}")
    return content


def require_json(request: HttpRequest) -> None:
    """Refuse requests whose Content-Type is not application/json.

    A form on another site can send other types without a preflight request.

    Raises:
        Refused: the Content-Type is not application/json.
    """
    if request.content_type != "application/json":
        raise Refused(415, "unsupported_media_type", "send JSON, with Content-Type: application/json")


def text_field(content: dict[str, Any], name: str) -> str:
    """Return the text of the field `name`.

    Raises:
        Refused: the field is missing, empty, or not text. Text with half of a surrogate pair is refused, because no
            database accepts it.
    """
    value = content.get(name)
    if not isinstance(value, str) or not value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Refused(400, "missing_field", f"the body must have the field {name!r}, and it must be text")
    return value
