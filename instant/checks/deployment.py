"""Checks of `manage.py check --deploy`: keys, encrypted connections, tenants, and messages that can be lost."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage
from django.db import connections, router

from ..centrifugo import engine
from ..conf.settings import conf
from ..exceptions import InvalidSetting


def register() -> None:
    """Register the checks with Django; called once, when the apps are ready."""
    checks.register(check_deployment, deploy=True)
    checks.register(check_tenants, deploy=True)
    checks.register(check_queues, deploy=True)
    checks.register(check_engine, deploy=True)


def check_deployment(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W004: keys are derived from SECRET_KEY. W005: tokens are sent without TLS."""
    found: list[CheckMessage] = []
    if not (conf.CENTRIFUGO_HMAC_KEY or conf.CENTRIFUGO_SECRET_KEY) or not conf.CENTRIFUGO_API_KEY:
        found.append(
            checks.Warning(
                "CENTRIFUGO_HMAC_KEY and CENTRIFUGO_API_KEY are derived from SECRET_KEY.",
                hint="Set both to separate random values, so that each can be changed without the others.",
                id="instant.W004",
            )
        )
    if (conf.INSTANT_WEBSOCKET_URL or "").startswith("ws://"):
        found.append(
            checks.Warning(
                "INSTANT_WEBSOCKET_URL is not encrypted.",
                hint="Use wss://, with a TLS proxy in front of the server.",
                id="instant.W005",
            )
        )
    return found


def check_tenants(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W011: users of several databases with equal primary keys would be the same user on the server."""
    if conf.INSTANT_TENANT:
        return []
    model = get_user_model()
    databases = {
        str(connections.settings[alias].get("NAME"))
        for alias in connections
        if router.allow_migrate_model(alias, model) and not connections.settings[alias]["TEST"].get("MIRROR")
    }
    if len(databases) < 2:
        return []
    return [
        checks.Warning(
            f"{len(databases)} databases can hold users, but INSTANT_TENANT is not set. Users of two databases with "
            "the same primary key are the same user on the websockets server.",
            hint="If the databases belong to tenants, set INSTANT_TENANT and INSTANT_TENANT_CONTEXT. If only one "
            "database holds users, return False for the others from allow_migrate() of a database router.",
            id="instant.W011",
        )
    ]


def check_queues(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """I001: the backend "thread" can lose messages."""
    if conf.INSTANT_BROADCAST_WITH != "thread":
        return []
    return [
        checks.Info(
            'INSTANT_BROADCAST_WITH is "thread": queued messages are lost if their process is killed '
            "(SIGKILL, out of memory, a timeout of gunicorn or uWSGI) or ends by os._exit().",
            hint='Use "go", "python" or the outbox if messages must survive this once publish() has returned.',
            id="instant.I001",
        )
    ]


#: What each engine loses. docs/guarantees.md has the same texts.
ENGINE_LOSSES: Final[dict[engine.Deployment, str]] = {
    "memory": "The history, the presence and the idempotency keys are lost when the server exits. Clients that were "
    "disconnected before do not recover, and a message that is retried meanwhile can arrive twice.",
    "redis": "If Redis loses data, the history and the idempotency keys are lost. Run Redis with appendonly yes. While "
    "Redis is unreachable, publishing fails, and clients that subscribe are disconnected and retry.",
    "shards": "If a shard loses data, the history and the idempotency keys of its channels are lost. Run each with "
    "appendonly yes. While a shard is unreachable, publishing to its channels fails.",
    "sentinel": "A failover loses the messages and the idempotency keys that the old master had not replicated. Until "
    "there is a new master, publishing fails.",
    "cluster": "A failover loses the messages and the idempotency keys that the old master had not replicated. Until "
    "there is a new master, publishing fails.",
    "nats": "Channels have no history: clients miss messages that are published while they are disconnected, and "
    "duplicates are not dropped. Presence is per node, so a revocation disconnects users instead of unsubscribing "
    "them.",
    "postgres": "Centrifugo calls this engine experimental. Presence is per node, so a revocation disconnects users "
    "instead of unsubscribing them.",
}


def check_engine(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W013: the engines NATS and PostgreSQL have limits. I002: what the other engines lose."""
    try:
        used = engine.deployment()
    except InvalidSetting:
        return []  # E002 reports it
    text = f"INSTANT_ENGINE: {ENGINE_LOSSES[used]}"
    if used in ("nats", "postgres"):
        hint = "Use Redis to avoid this, or silence this check if your site does not need it."
        return [checks.Warning(text, hint=hint, id="instant.W013")]
    hint = "docs/guarantees.md compares the engines. Silence this check if your site can lose this."
    return [checks.Info(text, hint=hint, id="instant.I002")]
