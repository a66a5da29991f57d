"""The site of the worker: its database and its websockets server are those of the test."""

import os

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.windows.worker"]  # noqa: F405
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["WORKER_DATABASE"]}}
CENTRIFUGO_HOST, CENTRIFUGO_PORT = "http://127.0.0.1", int(os.environ["WORKER_PORT"])
