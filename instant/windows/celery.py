"""The Celery task that calls the functions with a queue. No other module imports Celery.

The task belongs to the project's own Celery app. A call is acknowledged when it has run. If its worker dies, it runs
again: at once if only the worker's child process died, otherwise when the broker returns it. After ATTEMPTS workers it
is dropped.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app, shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from ..channels import tenants
from ..conf.settings import conf
from ..exceptions import NotQueued
from .queued_calls import Call, Delay
from .running import run

logger = logging.getLogger("instant")

#: The number of workers that a call may end before it is dropped.
ATTEMPTS = 3
#: Short, because a view waits for it.
_RETRIES = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}


@shared_task(  # type: ignore[untyped-decorator,unused-ignore]
    bind=True,
    name="instant.windows.call",
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    serializer="json",
)
def call(self: Any, *args: Any, tenant: str = "") -> None:
    """Run a `Call` for the tenant that queued it. Browsers receive its messages once, because their uids derive from
    its id.
    """
    to_do, lost = Call(*args), self.request.retries
    if (self.request.delivery_info or {}).get("redelivered"):
        _go_on(self, to_do, lost + 1)
        return
    with tenants.entered(tenant):
        run(to_do, uid=self.request.id)


def _go_on(task: Any, to_do: Call, lost: int) -> None:
    """Queue a call again whose worker was lost. The call itself may end workers, so it is not retried for ever.

    The broker does not count how often it returns a message. Therefore the call is sent again as a message with a
    count.
    """
    if lost >= ATTEMPTS:
        logger.error("the call of the signal %r is given up: %d workers ended that had taken it", to_do.name, lost)
        return
    task.signature_from_request(retries=lost).apply_async()


def send(to_do: Call, queue: str | None, delay: Delay) -> None:
    """Put a call into the queue of this name, or the default one.

    Raises:
        NotQueued: the broker cannot be reached.
    """
    eta = delay.eta
    if eta is not None and timezone.is_naive(eta) and settings.USE_TZ:
        eta = timezone.make_aware(eta)
    try:
        call.apply_async(
            list(to_do),
            {"tenant": conf.tenant} if conf.INSTANT_TENANT else {},
            queue=queue,
            countdown=delay.countdown,
            eta=eta,
            expires=delay.expires,
            retry=True,
            retry_policy=_RETRIES,
        )
    except (OperationalError, OSError) as error:
        raise NotQueued(f"the signal {to_do.name!r} could not be handed to Celery: {error}") from error


def has_broker() -> bool:
    """Report whether the project has a Celery app with a broker."""
    known = current_app.conf
    return bool(known.broker_url or known.broker_write_url or known.task_always_eager)
