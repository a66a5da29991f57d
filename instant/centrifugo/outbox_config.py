"""The server's own consumer of the outbox: on PostgreSQL the server reads the table itself, without a relay."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from django.apps import apps
from django.db import connections, router

from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..secret_text import SecretAddress

#: The name of the consumer, the part that its locks have in common, and the channel of PostgreSQL's notifications.
NAME = "instant_outbox"
#: Options of libpq that the server's driver does not support.
_UNSUPPORTED = {"service", "passfile"}
#: Options with the same name in libpq and in the server's driver.
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs", "connect_timeout")


def is_used() -> bool:
    """Return whether the server delivers the outbox without a relay."""
    return conf.INSTANT_BROADCAST_WITH == "outbox" and connections[database()].vendor == "postgresql"


def database() -> str:
    """Return the alias of the database that contains the outbox table."""
    return router.db_for_write(apps.get_model("instant", "OutboxEntry"))


def lock_name(partition: int) -> str:
    """Return the name that the consumer locks while it delivers a partition. The advisory lock is its `hashtext`."""
    return f"centrifugo_partition_lock_{NAME}{partition}"


def render() -> list[dict[str, Any]]:
    """Return the `consumers` section of the server's config.

    Raises:
        InvalidSetting: DATABASES describes a connection that the server cannot open, and INSTANT_OUTBOX_DSN is not set.
    """
    options = {
        "dsn": SecretAddress(conf.INSTANT_OUTBOX_DSN or _dsn(database())),
        "outbox_table_name": apps.get_model("instant", "OutboxEntry")._meta.db_table,
        "num_partitions": conf.outbox_partitions,
        "partition_select_limit": 100,
        "partition_poll_interval": "300ms",
        "partition_notification_channel": NAME,
    }
    return [{"enabled": True, "name": NAME, "type": "postgresql", "postgresql": options}]


def _dsn(alias: str) -> SecretAddress:
    # The exception is raised here, in a frame without the password.
    if not _has_address(connections[alias].settings_dict):
        raise InvalidSetting(
            f"DATABASES[{alias!r}] has no name, several hosts, a service or a passfile, which the server "
            'does not support: set INSTANT_OUTBOX_DSN to "postgresql://user:password@host:5432/name".'
        )
    return SecretAddress(_address(connections[alias].settings_dict))


def _has_address(settings: dict[str, Any]) -> bool:
    return bool(settings["NAME"]) and "," not in str(settings["HOST"]) and not _UNSUPPORTED & set(settings["OPTIONS"])


def _address(settings: dict[str, Any]) -> str:
    options, host = settings["OPTIONS"], str(settings["HOST"])
    query = {name: options[name] for name in _OPTIONS if name in options}
    if host.startswith("/"):  # the directory of a Unix socket
        query = {"host": host, **query}
        if settings["PORT"]:
            query["port"] = settings["PORT"]
        place = ""
    else:
        place = f"[{host}]" if ":" in host else host
        place += f":{settings['PORT']}" if settings["PORT"] and host else ""
    name, tail = quote(str(settings["NAME"]), safe=""), f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"postgresql://{_login(settings)}{place}/{name}{tail}"


def _login(settings: dict[str, Any]) -> str:
    user, password = (quote(str(settings[key]), safe="") for key in ("USER", "PASSWORD"))
    return f"{user}:{password}@" if password else f"{user}@" if user else ""
