"""The demo frontend: a page on which superusers read and publish messages."""

from __future__ import annotations

import json
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt

from ..access import channel_access
from ..conf.settings import conf
from ..exceptions import InvalidChannel, InvalidMessage, PublishError, TooLarge
from ..models import Channel
from ..producers import publish
from .json_views import JsonCsrf, Refused, View, json_view, refusals_as_json

#: The most channels in the list. A longer list would not help users to choose a name.
MAX_KNOWN = 1_000
#: The event classes of the page's own label template. The form offers them.
EVENT_CLASSES = (
    "important", "ok", "info", "debug", "warning", "error", "object created", "object edited", "object deleted",
)  # fmt: skip


def _for_superusers(view: View) -> View:
    """Respond with 403 to other users, instead of a redirect to a log-in page, and keep responses out of caches."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponseBase:
        response = view(request) if _is_superuser(request) else HttpResponseForbidden(_FORBIDDEN)
        response["Cache-Control"] = "private, no-store"
        return response

    wrapped.login_required = False  # type: ignore[attr-defined]  # LoginRequiredMiddleware would redirect
    return wrapped


def _is_superuser(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_authenticated and user.is_active and getattr(user, "is_superuser", False))


_FORBIDDEN = (
    '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><title>403 Forbidden</title>'
    "<h1>403 Forbidden</h1><p>This page is for superusers.</p></html>"
)


@csrf_exempt  # CSRF is checked below, because the middleware would read the body before its length is checked
@refusals_as_json
@decorator_from_middleware(JsonCsrf)
def frontend(request: HttpRequest) -> HttpResponseBase:
    """Render the page. For POST, publish a message and respond in JSON."""
    return _send(request) if request.method == "POST" else _page(request)


frontend.login_required = False  # type: ignore[attr-defined]


@_for_superusers
def _page(request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD, POST"})
    names = {access.name for access in channel_access.channels_for(request.user)}
    names.update(Channel.objects.order_by("name").values_list("name", flat=True)[:MAX_KNOWN])
    context = {
        "page": {"prefix": reverse("instant-get-token").removesuffix("get_token/")},
        "site": conf.SITE_NAME,
        "channels": sorted(names)[:MAX_KNOWN],
        "event_classes": EVENT_CLASSES,
    }
    return render(request, "instant/frontend.html", context)


@csrf_exempt  # as above; the view changes nothing
@refusals_as_json
@_for_superusers
def frontend_labels(request: HttpRequest) -> HttpResponse:
    """Return the labels of `instant/event_class_format.js` as a script, because the page has no inline scripts."""
    return render(request, "instant/frontend_labels.js", content_type="text/javascript; charset=utf-8")


@json_view("POST")
def _send(request: HttpRequest) -> HttpResponse:
    """Publish the content of the form.

    A refusal has a 4xx status even if the server is the cause. Proxies replace 5xx responses with pages of their own,
    and the reason would be lost.
    """
    if not _is_superuser(request):
        raise Refused(403, "not_superuser", "only superusers may publish here")
    channel = request.POST.get("channel", "").strip()
    message, event_class, bucket = (request.POST.get(name) or None for name in ("message", "event_class", "bucket"))
    data = _data(request.POST.get("data", ""))
    if message is None and data is None:
        raise Refused(400, "empty", "enter a message, data, or both")
    try:
        publish(channel, message=message, data=data, event_class=event_class, bucket=bucket, wait=True)
    except InvalidMessage as error:
        raise Refused(400, _code(error), str(error)) from error
    except PublishError as error:
        raise Refused(424, "not_published", str(error)) from error
    return JsonResponse({"response": "ok", "channel": channel})


def _data(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(400, "invalid_json", f"the data is not JSON: {reason}") from error


def _code(error: InvalidMessage) -> str:
    if isinstance(error, InvalidChannel):
        return "invalid_channel"
    return "too_large" if isinstance(error, TooLarge) else "invalid_message"
