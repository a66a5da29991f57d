"""`manage.py run_wsserver`: run the socket worker in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from argparse import ArgumentTypeError
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from instant.conf.settings import conf
from instant.exceptions import InstantError
from instant.sockets import registry
from instant.worker.options import Options
from instant.worker.processes import find_grpc, run_processes

#: The same default as in django-ws, which introduced this command.
WEBSOCKET_URL = r"/socket/(?P<namespace>\w*)"


def _number(least: int, most: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ArgumentTypeError(f"{value} is not from {least} to {most}")
        return value

    return number


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ArgumentTypeError(f"{text!r} is not a regular expression: {error}") from error
    return text


class Command(BaseCommand):
    """Run the socket handlers. The websockets server opens gRPC streams; plain WebSockets arrive through the bridge."""

    help = "Run the socket handlers (INSTANT_SOCKET_HANDLERS, and @socket in sockets.py) until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        port = _number(1, 65535)
        parser.add_argument("--address", default="127.0.0.1", help="listen on this address (%(default)s)")
        parser.add_argument("--port", type=port, help="port for the server; default: that of INSTANT_SOCKETS_URL")
        parser.add_argument("--bridge-port", type=port, help="port of the bridge; default: see INSTANT_SOCKETS_BRIDGE")
        parser.add_argument("--no-bridge", action="store_true", help="serve neither plain WebSockets nor the devserver")
        parser.add_argument(
            "--websocket-url",
            type=_pattern,
            default=WEBSOCKET_URL,
            help="regular expression for the paths of plain WebSockets, with a group `namespace` (%(default)s)",
        )
        parser.add_argument(
            "--threads", type=_number(1, 1000), default=8, help="threads per process for plain methods (%(default)s)"
        )
        parser.add_argument("--threaded", action="store_true", help="run each open socket in a separate thread")
        parser.add_argument(
            "--processes", type=_number(1, 256), default=1, help="number of processes that share the port (%(default)s)"
        )
        parser.add_argument(
            "--patience", type=_number(0, 3600), default=10, help="seconds that sockets have to close (%(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._require_handlers()
            find_grpc()
            status = self._run(_options(options), options["processes"])
        except ModuleNotFoundError as error:
            raise CommandError(f"{error}. Run `pip install django-instant[sockets]`.") from error
        except InstantError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            return
        if status:
            sys.stdout.flush()
            logging.shutdown()
            # A thread that hangs in a handler would keep the process alive.
            os._exit(status)

    @staticmethod
    def _require_handlers() -> None:
        if not registry.registered():
            raise CommandError(
                'There is no socket handler. Set INSTANT_SOCKET_HANDLERS = {"default": "app.module.Class"}, or '
                "decorate a class in an app's sockets.py with @socket."
            )

    def _run(self, chosen: Options, processes: int) -> int:
        def on_ready() -> None:
            names = ", ".join(sorted(registry.registered()))
            bridge = f", plain WebSockets at {chosen.bridge}" if chosen.bridge else ""
            self.stdout.write(f"Serving {names} at {chosen.address}{bridge}. Press Ctrl-C to stop.")
            self.stdout.flush()

        if processes > 1:
            return run_processes(replace(chosen, shared_port=True), processes, on_ready)
        from instant.worker.serving import serve

        return int(asyncio.run(serve(chosen, on_ready)) > 0)


def _options(given: dict[str, Any]) -> Options:
    address = f"[{given['address']}]" if ":" in given["address"] else given["address"]
    port = given["port"] or urlsplit(conf.sockets_url).port
    bridge_port = given["bridge_port"] or urlsplit(conf.sockets_bridge).port
    return Options(
        f"{address}:{port}",
        None if given["no_bridge"] else f"{address}:{bridge_port}",
        given["websocket_url"],
        threads=given["threads"],
        threaded=given["threaded"],
        patience=given["patience"],
    )
