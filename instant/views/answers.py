"""JSON in and out: a broken body is a 4xx with a reason, an answer with tokens is never stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError

View = Callable[[HttpRequest], HttpResponse]


class Refused(Exception):
    """Raised inside a view decorated with `json_view`: becomes the JSON answer `{"error", "reason"}`."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        self.status, self.code, self.reason = status, code, reason
        super().__init__(status, code, reason)


def json_view(*methods: str) -> Callable[[View], View]:
    """Let a view take these methods only, answer `Refused` as JSON, and keep every answer out of all caches."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest) -> HttpResponse:
            try:
                if request.method not in methods:
                    raise Refused(405, "method_not_allowed", f"use {' or '.join(methods)}")
                response = view(request)
            except Refused as refused:
                response = JsonResponse({"error": refused.code, "reason": refused.reason}, status=refused.status)
                if refused.status == 405:
                    response["Allow"] = ", ".join(methods)
            response["Cache-Control"] = "no-store, private"
            return response

        return wrapped

    return decorate


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the body, a JSON object; {} where it is empty.

    Raises:
        Refused: it is not JSON, no object, too large, or was cut off on its way.
    """
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise Refused(413, "too_large", "the body is too large") from error
    except UnreadablePostError as error:
        raise Refused(400, "unreadable", "the body could not be read to its end") from error
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
        Refused: it is not there, or no text.
    """
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(400, "missing_field", f"the body needs {name!r}, as text")
    return value
