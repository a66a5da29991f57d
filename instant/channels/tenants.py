"""Work of a tenant that comes without one of its requests: calls, sockets, queued calls, revocations, the relay.

Several sites, or the tenants of one, can share a Centrifugo server. On it the tenant's name stands behind the namespace
of each channel and in front of each user's id (`server_names`, `user_ids`); names in code stay as they are.
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
    """Return whether INSTANT_TENANT is a text, so that all that this process does is of one tenant."""
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
    """Return the current tenant, "" on a site that has none; None where it should be one, and is not."""
    try:
        return conf.tenant
    except InvalidSetting:
        return None


@contextmanager
def entered(tenant: str) -> Iterator[None]:
    """Enter INSTANT_TENANT_CONTEXT for this tenant, "" for a site that has none.

    Raises:
        Deny: this site is not the tenant's, or cannot become it without the setting.
    """
    with _context(tenant):
        if conf.tenant != tenant:
            raise _refused(tenant, "in INSTANT_TENANT_CONTEXT, INSTANT_TENANT is another one")
        yield


@contextmanager
def entered_for(user: str, meta: Mapping[str, Any]) -> Iterator[None]:
    """Enter the tenant of a connection: `user` is its user's id on the server, `meta` is that of its token.

    Raises:
        Deny: as `entered` does, or the two say different tenants.
    """
    tenant = tenant_of(meta)
    with entered(tenant):
        if user_in_site(user) is None:
            raise _refused(tenant, "the user of the connection is another tenant's")
        yield


@contextmanager
def resumed(tenant: str | None) -> Iterator[None]:
    """Go on with work of this tenant: in its own thread or task nothing is entered, elsewhere as `entered` does.

    Raises:
        Deny: as `entered` does, or the work began outside of a tenant.
    """
    if tenant is None:
        raise _refused("", "it began where INSTANT_TENANT named none")
    with nullcontext() if current() == tenant else entered(tenant):
        yield


def tenant_of(meta: Mapping[str, Any] | None) -> str:
    """Return the tenant for which Django signed a connection token with this `meta`; "" for none."""
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
    # A function may still know the tenant of an earlier request of this thread.
    if not is_fixed():
        raise _refused(tenant, "INSTANT_TENANT_CONTEXT is not set")
    return nullcontext()


def _refused(tenant: str, why: str) -> Deny:
    logger.error("refused work of the tenant %r: %s", tenant, why)
    return Deny(403, "this connection is of another site")
