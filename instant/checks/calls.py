"""Check that calls from browsers can reach Django. Nothing is reported on sites that take no calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.http.request import split_domain_port, validate_host

from .. import features
from ..centrifugo import rpc_config
from ..conf.settings import conf
from ..exceptions import InvalidSetting

_SECURITY = "django.middleware.security.SecurityMiddleware"


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_backend_url)
    checks.register(check_secret, deploy=True)


def check_backend_url(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E045: the project lacks our URLs. W045: Django refuses the host at which the server calls it. W046: Django
    redirects the server, and the call is lost.
    """
    if not features.in_use().windows:
        return []
    if rpc_config.path() is None:
        hint = 'Add path("instant/", include("instant.urls")) to the project\'s urlpatterns, without a namespace.'
        text = "Signals are in use, but the project lacks the URLs of django-instant. Calls from browsers are refused."
        return [checks.Error(text, hint=hint, id="instant.E045")]
    try:
        return list(_of_backend_url(urlsplit(conf.backend_url).netloc.rpartition("@")[2]))
    except InvalidSetting:
        return []  # E001 reports it


def _of_backend_url(netloc: str) -> Iterator[CheckMessage]:
    # The same rule as in HttpRequest.get_host.
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    host = split_domain_port(netloc)[0]
    if not validate_host(host, allowed):
        yield checks.Warning(
            f"ALLOWED_HOSTS lacks {host!r}, the host of INSTANT_BACKEND_URL. Every call from a browser fails.",
            hint="Add it to ALLOWED_HOSTS. The websockets server calls Django by this name.",
            id="instant.W045",
        )
    if conf.backend_url.startswith("http://") and _is_redirected():
        yield checks.Warning(
            "SECURE_SSL_REDIRECT redirects the websockets server, because INSTANT_BACKEND_URL is http://. Its calls "
            "are lost.",
            hint=f'Add r"^{(rpc_config.path() or "").lstrip("/")}$" to SECURE_REDIRECT_EXEMPT, or use https://.',
            id="instant.W046",
        )


def _is_redirected() -> bool:
    path, exempt = (rpc_config.path() or "").lstrip("/"), settings.SECURE_REDIRECT_EXEMPT
    redirects = settings.SECURE_SSL_REDIRECT and _SECURITY in settings.MIDDLEWARE
    return bool(redirects and not any(re.search(pattern, path) for pattern in exempt))


def check_secret(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W047: the secret of the calls is derived from SECRET_KEY."""
    if not features.in_use().windows or conf.INSTANT_PROXY_SECRET:
        return []
    return [
        checks.Warning(
            "INSTANT_PROXY_SECRET is derived from SECRET_KEY.",
            hint="Set it to a separate random value, so that each can be changed without the other.",
            id="instant.W047",
        )
    ]
