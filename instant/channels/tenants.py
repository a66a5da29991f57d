"""Switches to the tenant to which some work belongs, if no request of this tenant is current: calls, sockets, queued
calls, revocations, and the relay.

Several sites, or the tenants of a site, can share a Centrifugo server. The names of channels and the ids of users on
the server then contain the tenant's name (`server_names`, `user_ids`). Names in Python code do not contain it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ..conf import tenant_settings
from ..conf.settings import conf
from ..exceptions import Deny, InvalidSetting
from .user_ids import TENANT, user_in_site

logger = logging.getLogger("instant")


def is_fixed() -> bool:
    """Report whether INSTANT_TENANT is a text. If it is, all work of this process belongs to one tenant."""
    return tenant_settings.is_text(conf.INSTANT_TENANT)


def check() -> None:
    """Check INSTANT_TENANT and INSTANT_TENANT_CONTEXT, as far as this is possible without a tenant.

    Raises:
        InvalidSetting: a setting is not a valid name, cannot be imported, or cannot be called.
    """
    if is_fixed():
        tenant_settings.tenant(conf.INSTANT_TENANT)
    elif conf.INSTANT_TENANT is not None:
        tenant_settings.called("INSTANT_TENANT", conf.INSTANT_TENANT)
    if conf.INSTANT_TENANT_CONTEXT is not None:
        tenant_settings.called("INSTANT_TENANT_CONTEXT", conf.INSTANT_TENANT_CONTEXT)


def current() -> str | None:
    """Return the current tenant. It is "" on a site without tenants, and None if INSTANT_TENANT names no tenant now."""
    try:
        return conf.tenant
    except InvalidSetting:
        return None


@contextmanager
def entered(tenant: str) -> Iterator[None]:
    """Enter INSTANT_TENANT_CONTEXT for this tenant; "" stands for a site without tenants.

    Raises:
        Deny: this site does not serve the tenant, or needs INSTANT_TENANT_CONTEXT to switch to it.
        InvalidSetting: a setting of tenants has a wrong value.
    """
    with _context(tenant):
        if conf.tenant != tenant:
            raise _refused(tenant, "in INSTANT_TENANT_CONTEXT, INSTANT_TENANT names another tenant")
        yield


@contextmanager
def entered_for(user: str, meta: Mapping[str, Any]) -> Iterator[None]:
    """Enter the tenant of a connection.

    `user` is the user's id on the server, and `meta` is that of the connection token.

    Raises:
        Deny: as with `entered`, or `user` and `meta` belong to different tenants.
        InvalidSetting: a setting of tenants has a wrong value.
    """
    tenant = tenant_of(meta)
    with entered(tenant):
        if user_in_site(user) is None:
            raise _refused(tenant, "the user of the connection belongs to another tenant")
        yield


@contextmanager
def resumed(tenant: str | None) -> Iterator[None]:
    """Continue work of this tenant.

    If this tenant is current in the thread or task, nothing is entered. Otherwise do the same as `entered`.

    Raises:
        Deny: as with `entered`, or the work began without a tenant.
        InvalidSetting: a setting of tenants has a wrong value.
    """
    if tenant is None:
        raise _refused("", "INSTANT_TENANT named no tenant when the work began")
    with nullcontext() if current() == tenant else entered(tenant):
        yield


def tenant_of(meta: Mapping[str, Any] | None) -> str:
    """Return the tenant for which Django signed a connection token with this `meta`, or ""."""
    return str((meta or {}).get(TENANT) or "")


def _context(tenant: str) -> AbstractContextManager[Any]:
    if not conf.INSTANT_TENANT and not tenant:
        return nullcontext()
    if not conf.INSTANT_TENANT:
        raise _refused(tenant, "INSTANT_TENANT is not set")
    if not tenant_settings.is_name(tenant):
        raise _refused(tenant, "this is not a valid name of a tenant")
    if conf.INSTANT_TENANT_CONTEXT is not None:
        manager: AbstractContextManager[Any]
        manager = tenant_settings.called("INSTANT_TENANT_CONTEXT", conf.INSTANT_TENANT_CONTEXT)(tenant)
        return manager
    # The function in INSTANT_TENANT could still return the tenant of an earlier request in this thread.
    if not is_fixed():
        raise _refused(tenant, "INSTANT_TENANT_CONTEXT is not set")
    return nullcontext()


def _refused(tenant: str, why: str) -> Deny:
    logger.error("refused work for the tenant %r: %s", tenant, why)
    return Deny(403, "this connection belongs to another site")
