"""Check limits that count less, or more, than they should."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..views import client_address
from ..views.login_throttle import is_left_to_axes


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_limits)
    checks.register(check_proxy, deploy=True)


def check_limits(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E060: a setting of the limits names something that does not exist. W060: processes count failed log-ins
    separately.
    """
    try:
        alias, function = conf.INSTANT_THROTTLE_CACHE, conf.INSTANT_CLIENT_ADDRESS
    except InvalidSetting:
        return []  # E001 reports it
    if alias not in settings.CACHES:
        hint = "Set it to an alias in CACHES, or remove the setting to use `default`."
        text = f"INSTANT_THROTTLE_CACHE is {alias!r}, but CACHES has no such cache."
        return [checks.Error(text, hint=hint, id="instant.E060")]
    try:
        client_address.function_of(function)
    except InvalidSetting as error:
        hint = "Set it to a function that returns the client's address from a request, or to its dotted path."
        return [checks.Error(str(error), hint=hint, id="instant.E060")]
    if settings.DEBUG or not _counts_log_ins() or not _is_local(settings.CACHES[alias]["BACKEND"]):
        return []
    return [
        checks.Warning(
            f"The cache {alias!r} is not shared between processes, so each process counts failed log-ins separately.",
            hint="With several processes, more passwords can be tried than the limit allows. Set "
            "INSTANT_THROTTLE_CACHE to a cache in Redis or Memcached, or use django-axes. Silence this check if the "
            "site has one process.",
            id="instant.W060",
        )
    ]


def check_proxy(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W061: the site is behind a proxy, and all clients count as the proxy's address."""
    names = [name for name in _OF_PROXIES if getattr(settings, name, None)]
    try:
        if not names or conf.INSTANT_CLIENT_ADDRESS is not None or not _counts_log_ins():
            return []
    except InvalidSetting:
        return []
    return [
        checks.Warning(
            f"{names[0]} indicates that the site is behind a proxy, but INSTANT_CLIENT_ADDRESS is not set. All failed "
            "log-ins count for the address of the proxy.",
            hint="Anybody could then lock out all users. Set INSTANT_CLIENT_ADDRESS to a function that returns the "
            "client's address (see docs/endpoints.md). If REMOTE_ADDR is correct, set it to `lambda request: "
            'request.META["REMOTE_ADDR"]`.',
            id="instant.W061",
        )
    ]


#: Settings that indicate a proxy in front of the site.
_OF_PROXIES = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")


def _counts_log_ins() -> bool:
    """Return whether the site uses our log-in, and we count its failures."""
    if not hasattr(settings, "ROOT_URLCONF"):  # a site that only serves sockets
        return False
    try:
        reverse("instant-login")
    except NoReverseMatch:
        return False
    try:
        return not is_left_to_axes()
    except (ImportError, ImproperlyConfigured):
        return True  # nobody can log in until AUTHENTICATION_BACKENDS is corrected


def _is_local(backend: str) -> bool:
    """Return whether the cache is one of Django's two that share nothing between processes."""
    try:
        return import_string(backend) in (LocMemCache, DummyCache)
    except ImportError:
        return False  # Django reports it
