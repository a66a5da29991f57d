"""The tenant of work that does not come from one of its requests: calls, sockets, queued calls, revocations, the relay.

Several sites, or the tenants of a site, can share a Centrifugo server. There the tenant's name is part of each
channel's name and each user's id (`server_names`, `user_ids`). Names in code are without it.
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
    """Report whether INSTANT_TENANT is a text, so that all work of this process belongs to one tenant."""
    return tenant_settings.is_text(conf.INSTANT_TENANT)


def check() -> None:
    """Check the two settings as far as that is possible without a tenant.

    Raises:
        InvalidSetting: one of them is no name, or cannot be imported, or called.
    """
    if is_fixed():
        tenant_settings.tenant(conf.INSTANT_TENANT)
    elif conf.INSTANT_TENANT is not None:
        tenant_settings.called("INSTANT_TENANT", conf.INSTANT_TENANT)
    if conf.INSTANT_TENANT_CONTEXT is not None:
        tenant_settings.called("INSTANT_TENANT_CONTEXT", conf.INSTANT_TENANT_CONTEXT)


def current() -> str | None:
    """Return the current tenant, "" on a site that has no tenants, and None if there should be one and is not."""
    try:
        return conf.tenant
    except InvalidSetting:
        return None


@contextmanager
def entered(tenant: str) -> Iterator[None]:
    """Enter INSTANT_TENANT_CONTEXT for this tenant; "" stands for a site without tenants.

    Raises:
        Deny: this site does not serve the tenant, or cannot switch to it without the setting.
    """
    with _context(tenant):
        if conf.tenant != tenant:
            raise _refused(tenant, "in INSTANT_TENANT_CONTEXT, INSTANT_TENANT is another one")
        yield


@contextmanager
def entered_for(user: str, meta: Mapping[str, Any]) -> Iterator[None]:
    """Enter the tenant of a connection: `user` is the user's id on the server, `meta` is that of the token.

    Raises:
        Deny: as with `entered`, or the two name different tenants.
    """
    tenant = tenant_of(meta)
    with entered(tenant):
        if user_in_site(user) is None:
            raise _refused(tenant, "the user of the connection is another tenant's")
        yield


@contextmanager
def resumed(tenant: str | None) -> Iterator[None]:
    """Continue work of this tenant. In its own thread or task nothing is entered, elsewhere the same as with `entered`.

    Raises:
        Deny: as with `entered`, or the work began outside a tenant.
    """
    if tenant is None:
        raise _refused("", "it began where INSTANT_TENANT named none")
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
        raise _refused(tenant, "it is no tenant's name")
    if conf.INSTANT_TENANT_CONTEXT is not None:
        manager: AbstractContextManager[Any]
        manager = tenant_settings.called("INSTANT_TENANT_CONTEXT", conf.INSTANT_TENANT_CONTEXT)(tenant)
        return manager
    # The function may still return the tenant of an earlier request of this thread.
    if not is_fixed():
        raise _refused(tenant, "INSTANT_TENANT_CONTEXT is not set")
    return nullcontext()


def _refused(tenant: str, why: str) -> Deny:
    logger.error("refused work of the tenant %r: %s", tenant, why)
    return Deny(403, "this connection is of another site")
