"""The Celery app of a project, as Celery's documentation of Django has it."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("project", broker=os.environ["WORKER_BROKER"])
app.conf.update(
    # What a worker that was killed had taken is given back after so many seconds.
    broker_transport_options={"visibility_timeout": 2, "polling_interval": 0.1},
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)
app.autodiscover_tasks()
