"""The option `--tenant` of commands that work on the data of one tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from instant.channels.tenants import entered
from instant.exceptions import Deny


def add_tenant_option(parser: CommandParser) -> None:
    """Add the option to a command's parser."""
    parser.add_argument("--tenant", metavar="NAME", help="enter INSTANT_TENANT_CONTEXT for this tenant first")


@contextmanager
def in_tenant(options: Mapping[str, Any]) -> Iterator[None]:
    """Enter the tenant of the option, if it is given.

    Raises:
        CommandError: the settings do not let this site enter the tenant.
    """
    tenant: str | None = options["tenant"]
    if tenant is None:
        yield
        return
    try:
        with entered(tenant):
            yield
    except Deny as error:
        raise CommandError(
            f"INSTANT_TENANT and INSTANT_TENANT_CONTEXT do not let this site enter the tenant {tenant!r}."
        ) from error
