"""A site of one view, which publishes: `/<number>` sends that number to the channel of the environment. So do jobs."""

from __future__ import annotations

import os
import threading
import time

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY="processes-tests-only-secret-key-of-more-than-fifty-characters-01",
        ALLOWED_HOSTS=["127.0.0.1"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "instant"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        ROOT_URLCONF=__name__,
        CENTRIFUGO_PORT=int(os.environ["PROCESSES_PORT"]),
        CENTRIFUGO_API_KEY=os.environ["PROCESSES_KEY"],
        INSTANT_BROADCAST_WITH=os.environ["PROCESSES_BACKEND"],
        INSTANT_GO_SOCKET=os.environ.get("PROCESSES_SOCKET") or None,
    )
django.setup()

from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from instant import publish  # noqa: E402
from instant.centrifugo import cent_api  # noqa: E402

CHANNEL = os.environ["PROCESSES_CHANNEL"]


def send(number: int) -> None:
    publish(CHANNEL, str(number), timeout=10)


def view(request: HttpRequest, number: int) -> HttpResponse:
    send(number)
    time.sleep(0.01)  # else one worker answers all
    return HttpResponse(str(os.getpid()))


# What a master has before it forks: numbers, a connection, a thread.
send(0)
cent_api.subscribers(CHANNEL)

urlpatterns = [path("<int:number>", view)]
wsgi, asgi = WSGIHandler(), ASGIHandler()


def job(numbers: list[int]) -> None:
    for number in numbers:
        send(number)


def job_of_threads(numbers: list[int]) -> None:
    """A thread of a job has no current job, so it cannot learn from RQ how its process ends."""
    threads = [threading.Thread(target=send, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if broker := os.environ.get("PROCESSES_BROKER"):
    from celery import Celery

    app = Celery("processes", broker=broker)
    app.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
    task = app.task(name="job")(job)
