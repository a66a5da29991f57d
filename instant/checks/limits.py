"""manage.py check: limits that count less, or more, than they should."""

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
    """E060: a setting of the limits names what is not there. W060: each process counts failed log-ins for itself."""
    try:
        alias, function = conf.INSTANT_THROTTLE_CACHE, conf.INSTANT_CLIENT_ADDRESS
    except InvalidSetting:
        return []  # E001 says it
    if alias not in settings.CACHES:
        hint = "Name a cache of CACHES, or leave the setting out: the cache is then `default`."
        text = f"INSTANT_THROTTLE_CACHE is {alias!r}, and CACHES has no such cache."
        return [checks.Error(text, hint=hint, id="instant.E060")]
    try:
        client_address.function_of(function)
    except InvalidSetting as error:
        hint = "Set it to a function of a request that returns the client's address, or to the dotted path of one."
        return [checks.Error(str(error), hint=hint, id="instant.E060")]
    if settings.DEBUG or not _counts_log_ins() or not _is_local(settings.CACHES[alias]["BACKEND"]):
        return []
    return [
        checks.Warning(
            f"The cache {alias!r} is not shared between processes: each of them counts failed log-ins for itself.",
            hint="With several processes, more passwords can be tried than the limit says. Set INSTANT_THROTTLE_CACHE "
            "to a cache of Redis or Memcached, or use django-axes. Silence this check if the site has one process.",
            id="instant.W060",
        )
    ]


def check_proxy(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W061: the site is behind a proxy, and all of its clients count for the proxy's address."""
    names = [name for name in _OF_PROXIES if getattr(settings, name, None)]
    try:
        if not names or conf.INSTANT_CLIENT_ADDRESS is not None or not _counts_log_ins():
            return []
    except InvalidSetting:
        return []
    return [
        checks.Warning(
            f"{names[0]} says that the site is behind a proxy, and INSTANT_CLIENT_ADDRESS is not set: all failed "
            "log-ins count for the address of the proxy.",
            hint="Anybody could then lock out all users. Set INSTANT_CLIENT_ADDRESS to a function that returns the "
            "client's address, see docs/endpoints.md; if REMOTE_ADDR has it, `lambda request: "
            'request.META["REMOTE_ADDR"]` says so.',
            id="instant.W061",
        )
    ]


#: Settings of sites that are behind a proxy.
_OF_PROXIES = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")


def _counts_log_ins() -> bool:
    """Return whether the site has our log-in, and leaves its failures to us."""
    if not hasattr(settings, "ROOT_URLCONF"):  # a site that serves sockets only
        return False
    try:
        reverse("instant-login")
    except NoReverseMatch:
        return False
    try:
        return not is_left_to_axes()
    except (ImportError, ImproperlyConfigured):
        return True  # nobody can log in before AUTHENTICATION_BACKENDS is corrected


def _is_local(backend: str) -> bool:
    """Return whether the cache is one of the two of Django that keep nothing for other processes."""
    try:
        return import_string(backend) in (LocMemCache, DummyCache)
    except ImportError:
        return False  # Django says it
