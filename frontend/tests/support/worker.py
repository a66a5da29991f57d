"""The worker of the sockets that the tests open: `python worker.py <port> <port of the bridge>`.

Its first line says how the websockets servers reach it, and which user it knows, with the `meta` of the user's tokens.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

HANDLERS = ("Echo", "Story", "Members", "Flood")


def main(port: str, bridge_port: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work(port, bridge_port, str(Path(folder) / "worker.sqlite3"))


def work(port: str, bridge_port: str, database: str) -> None:
    settings.configure(
        SECRET_KEY="for the tests of the frontend only",  # noqa: S106
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "instant"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        INSTANT_SOCKET_HANDLERS={name.lower(): f"tests.sockets.handlers.{name}" for name in HANDLERS},
        INSTANT_SOCKETS_URL=f"grpc://127.0.0.1:{port}",
        INSTANT_SOCKETS_BRIDGE=f"http://127.0.0.1:{bridge_port}",
    )
    django.setup()
    from django.contrib.auth.models import User

    from instant.access.session_binding import bound_meta
    from instant.centrifugo import stream_config

    call_command("migrate", verbosity=0)
    user = User.objects.create(username="ann")
    told = {
        "proxy": stream_config.proxy(),
        "namespace": stream_config.namespace(),
        "user": {"sub": str(user.pk), "meta": bound_meta(user)},
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    call_command("run_wsserver", patience=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
