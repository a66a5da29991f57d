"""Template tags: `{% instant_client %}` makes a page live, `{% instant_stream "channel" %}` joins a channel."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import cache
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, Engine, Template, TemplateDoesNotExist
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from ..channels.names import template_name
from ..pages.context import client_context, join_stream, script_json
from ..pages.page_state import page_of
from ..windows.html_attributes import signal_attribute

register = template.Library()

_VARIABLES = "event_class, channel, message, data, site, uid, timestamp"
#: The JavaScript around the text of each template that a site may override. `%s` stands for this text. After the text
#: there is a line break, because its last line may be a comment.
_LABELS = "instant.page.labels(function () {\n%s\n;return {classes: label_classes, icons: label_icons};\n});"
_HANDLER = f"instant.page.handler(%s, function ({_VARIABLES}) {{\n%s\n}});"
_CONNECT = 'instant.page.event("connect", function (context) {\n%s\n});'
_DISCONNECT = 'instant.page.event("disconnect", function (code, reason) {\n%s\n});'
_CLIENTS = "instant.page.client(function (centrifuge, unpack_data, instantDebug) {\n%s\n});"


@register.simple_tag(takes_context=True)
def instant_client(context: Context) -> SafeString:
    """Render the scripts of a live page. They display nothing. A second tag on the same page renders nothing."""
    request = _request(context, "instant_client")
    if page_of(request).rendered:
        return SafeString("")
    page_of(request).rendered = True
    found = client_context(request)
    inner = {
        "page": found["page"],
        "placeholder": mark_safe(found["placeholder"]),  # noqa: S308 - a constant
        "nonce": _nonce(context, request),
        "scripts": _scripts(context, found["channels"]),
    }
    return _engine(context).get_template("instant/page.html").render(Context(inner))


@register.simple_tag(takes_context=True)
def instant_stream(context: Context, channel: str) -> SafeString:
    """Make the page join `channel`, for example for live HTML. The tag may be anywhere in the page."""
    name = str(channel)
    if not name:
        return SafeString("")
    join_stream(_request(context, "instant_stream"), name)
    return format_html('<template data-instant-stream="{}"></template>', name)


@register.simple_tag
def js_call(name: str, on: str = "", form: str | None = None, value: str | None = None, **opts: Any) -> SafeString:
    """Render the attribute with which an element calls the signal `name`. See `instant.windows.signal_attribute`."""
    return signal_attribute(name, on, form, value, opts)


def _request(context: Context, tag: str) -> HttpRequest:
    request = context.get("request") or getattr(context, "request", None)
    request = getattr(request, "_request", request)  # Django REST framework wraps the request
    if not isinstance(request, HttpRequest):
        raise ImproperlyConfigured(
            f"{{% {tag} %}} needs the request. Render the template with render(request, …), or add "
            "django.template.context_processors.request to the context_processors of TEMPLATES."
        )
    return request


def _engine(context: Context) -> Engine:
    if context.template is None:
        raise ImproperlyConfigured("The tags of django-instant can only be rendered as part of a template.")
    return context.template.engine


def _scripts(context: Context, channels: list[str]) -> list[SafeString]:
    """Return one script per template, so that an error in one does not stop the others."""
    handlers = [(name, _find(context, f"instant/handlers/{template_name(name)}.js")) for name in channels]
    bodies = [
        _LABELS % _text(context, "instant/event_class_format.js"),
        *(_HANDLER % (script_json(name), _rendered(context, found)) for name, found in handlers if found),
        _HANDLER % ("null", _text(context, "instant/handlers/default.js")),
        _CONNECT % _text(context, "instant/events/connect.js"),
        _DISCONNECT % _text(context, "instant/events/disconnect.js"),
        _CLIENTS % _text(context, "instant/extra_clients.js"),
        "instant.page.start();",
    ]
    return [mark_safe(body) for body in bodies]  # noqa: S308 - templates of the site, and names written as JSON


def _text(context: Context, path: str) -> str:
    return _rendered(context, _engine(context).get_template(path))


def _find(context: Context, path: str) -> Template | None:
    """Return the template, or None if it does not exist. Django's cached loader stores both results."""
    try:
        return _engine(context).get_template(path)
    except TemplateDoesNotExist:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no file has a name that long
            return None
        raise


def _rendered(context: Context, found: Template) -> str:
    """Render the template with the variables of the page, as `{% include %}` does."""
    with context.push():
        return found.render(context)


def _nonce(context: Context, request: HttpRequest) -> str:
    """Return the nonce of the Content-Security-Policy, or "" if there is none.

    The sources are the variable `csp_nonce` of the context, django-csp, and the middleware of Django 6. A lazy nonce is
    false until it is used, so it is compared with None. `str()` uses it, which adds it to the header.
    """
    for nonce in (context.get("csp_nonce"), getattr(request, "csp_nonce", None), _django_get_nonce()(request)):
        if nonce is not None and str(nonce):
            return str(nonce)
    return ""


@cache  # importing a missing module searches the disk each time
def _django_get_nonce() -> Callable[[HttpRequest], Any]:
    try:
        from django.middleware.csp import get_nonce  # type: ignore[import-not-found,unused-ignore]
    except ImportError:  # before Django 6
        return lambda _: None
    return get_nonce  # type: ignore[no-any-return,unused-ignore]
