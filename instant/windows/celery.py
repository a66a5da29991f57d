"""The Celery task that runs signals with a queue. No other module imports Celery.

The task belongs to the project's own Celery app. A call is acknowledged after it has run. If its worker dies, the call
runs again: at once if only the worker's child process died, otherwise when the broker redelivers it. After ATTEMPTS
lost workers the call is dropped.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app, shared_task
from django.conf import settings
from django.utils import timezone

from ..channels import tenants
from ..conf.settings import conf
from ..exceptions import NotQueued
from .queued_calls import Call, Delay
from .running import run

logger = logging.getLogger("instant")

#: The number of workers that may die with a call before it is dropped.
ATTEMPTS = 3
#: The retries are short because a view waits for them. Intervals in seconds.
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
    """Run a `Call` for the tenant that queued it.

    The uids of its messages derive from the task's id. If the call runs again, browsers ignore the duplicates.
    """
    to_do, lost = Call(*args), self.request.retries
    if (self.request.delivery_info or {}).get("redelivered"):
        _send_again(self, to_do, lost + 1)
        return
    with tenants.entered(tenant):
        run(to_do, uid=self.request.id)


def _send_again(task: Any, to_do: Call, lost: int) -> None:
    """Queue a call again after its worker was lost, or drop it: the call itself may be the cause.

    The broker does not count redeliveries. Therefore the call is sent as a new message with a count.
    """
    if lost >= ATTEMPTS:
        logger.error("dropped the call of the signal %r: %d workers died after they received it", to_do.name, lost)
        return
    task.signature_from_request(retries=lost).apply_async()


def send(to_do: Call, queue: str | None, delay: Delay) -> None:
    """Put a call into the queue of this name, or into Celery's default queue.

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
    except Exception as error:  # kombu's transports let other errors through, such as AttributeError
        raise NotQueued(f"the call of the signal {to_do.name!r} could not be queued in Celery: {error}") from error


def has_broker() -> bool:
    """Report whether the project has a Celery app with a broker."""
    known = current_app.conf
    return bool(known.broker_url or known.broker_write_url or known.task_always_eager)
