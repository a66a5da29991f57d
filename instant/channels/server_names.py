"""Names of channels on the server. With INSTANT_TENANT they contain the tenant after the namespace: `$ns:acme/rest`."""

from __future__ import annotations

from ..conf.settings import conf
from ..exceptions import InvalidChannel
from ..protocol import MAX_CHANNEL_BYTES, NAMESPACE_BOUNDARY, PRIVATE_PREFIX, TENANT_BOUNDARY


def on_server(name: str) -> str:
    """Return the name of a channel on the server: `$ns:rest` → `$ns:acme/rest`, `$users` → `$acme/users`.

    Raises:
        InvalidChannel: with its tenant, the name is too long.
        InvalidSetting: INSTANT_TENANT has a wrong value.
    """
    tenant = conf.tenant
    if not tenant:
        return name
    start, rest = _split(name)
    whole = f"{start}{tenant}{TENANT_BOUNDARY}{rest}"
    if len(whole) > MAX_CHANNEL_BYTES:
        raise InvalidChannel(
            f"channel {name[:40]!r}…: the name has {len(whole)} bytes with its tenant, more than {MAX_CHANNEL_BYTES}"
        )
    return whole


def in_site(name: str) -> str | None:
    """Return the name in this site of a channel of the server, or None if it belongs to another tenant.

    Raises:
        InvalidSetting: INSTANT_TENANT has a wrong value.
    """
    tenant = conf.tenant
    if not tenant:
        return name
    start, rest = _split(name)
    owner, boundary, own = rest.partition(TENANT_BOUNDARY)
    return start + own if boundary and owner == tenant else None


def _split(name: str) -> tuple[str, str]:
    """Return two parts of the name: the `$` and the namespace with its colon, and the rest."""
    prefix = PRIVATE_PREFIX if name.startswith(PRIVATE_PREFIX) else ""
    namespace, boundary, rest = name.removeprefix(prefix).partition(NAMESPACE_BOUNDARY)
    return (f"{prefix}{namespace}{boundary}", rest) if boundary else (prefix, namespace)
