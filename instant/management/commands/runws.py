"""`manage.py runws`: run the websockets server in the foreground."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import ArgumentTypeError
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from instant import outbox
from instant.centrifugo import engine, process
from instant.centrifugo.binary import find_binary
from instant.centrifugo.config import render
from instant.centrifugo.config_reloading import Reloader
from instant.conf.settings import conf
from instant.exceptions import InstantError, ServerFailed, ServerNotFound

#: The upper limit of --nodes. One host does not need more nodes.
MOST_NODES = 64


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ArgumentTypeError(f"{port} is not from 1 to 65535")
    return port


def _nodes(text: str) -> int:
    number = int(text)
    if not 0 < number <= MOST_NODES:
        raise ArgumentTypeError(f"{number} is not from 1 to {MOST_NODES}")
    return number


class Command(BaseCommand):
    """Run Centrifugo, or the devserver, with the config that is rendered from Django's settings."""

    # Errors are printed in one line, and problems of other apps must not prevent a start.
    requires_system_checks = ()

    help = "Run the websockets server: Centrifugo if it is installed, otherwise the devserver."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--server",
            choices=["auto", "centrifugo", "dev"],
            default="auto",
            help="server to run; auto is Centrifugo if it is installed (%(default)s)",
        )
        parser.add_argument("--port", type=_port, help="listen on this port instead of CENTRIFUGO_PORT")
        parser.add_argument(
            "--nodes",
            type=_nodes,
            default=1,
            help="number of Centrifugo nodes, on consecutive ports; they need a shared INSTANT_ENGINE (%(default)s)",
        )
        parser.add_argument("--host", default="127.0.0.1", help="listen on this address (%(default)s)")
        parser.add_argument(
            "--insecure-dev",
            action="store_true",
            help="run the devserver even if DEBUG is off (never in production)",
        )

        parser.add_argument(
            "--print-config", action="store_true", help="print the server's config, including its secrets, and exit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            binary = self._binary(options["server"])
            config = render(address=options["host"], port=options["port"], consumers=binary is not None)
            if options["print_config"]:
                self.stdout.write(json.dumps(config))
                return
            self._require_shared_engine(options["nodes"], binary)
            with self._relaying(config):
                status = self._run(binary, config, options)
        except InstantError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:  # before the server has started
            return
        if status:
            self.stderr.write(f"The server exited with status {status}.")
            sys.exit(status)

    @staticmethod
    def _require_shared_engine(nodes: int, binary: Path | None) -> None:
        if nodes == 1:
            return
        if binary is None:
            raise CommandError(
                "The devserver cannot run as several nodes. To use --nodes, install Centrifugo: `manage.py installws`."
            )
        if engine.kind() == "memory":
            raise CommandError(
                'With INSTANT_ENGINE = "memory" the nodes would not share clients and messages. '
                'To use --nodes, set it to a shared engine, such as "redis://localhost:6379/0".'
            )

    @staticmethod
    def _relaying(config: dict[str, Any]) -> AbstractContextManager[None]:
        """Deliver the outbox if the server does not."""
        needed = conf.INSTANT_BROADCAST_WITH == "outbox" and "consumers" not in config
        return outbox.relaying() if needed else nullcontext()

    def _binary(self, server: str) -> Path | None:
        if server == "dev":
            return None
        try:
            return find_binary()
        except ServerNotFound as error:
            if server == "centrifugo":
                raise
            self.stdout.write(f"{str(error).removesuffix('.')}. Starting the devserver instead.")
            return None

    def _run(self, binary: Path | None, config: dict[str, Any], options: dict[str, Any]) -> int:
        if binary is None and not settings.DEBUG and not options["insecure_dev"]:
            raise CommandError(
                "The devserver is for development, but DEBUG is off. Run `manage.py installws` to install Centrifugo "
                "(or pass --insecure-dev, if this is not production)."
            )
        reloader = Reloader(config, partial(_rendered, binary, options), self._say, watch=settings.DEBUG)
        nodes = options["nodes"]
        several = f" and the {nodes - 1} ports after it" if nodes > 1 else ""
        self._say(f"Starting {binary or 'the devserver'} at {self._place(config)}{several}. Press Ctrl-C to stop.")
        if binary is not None:
            return process.run(binary, config, reloader.running, nodes)
        from instant.devserver.foreground import run

        process.require_free_port(config["http_server"]["address"], config["http_server"]["port"])
        return run(config, reloading=reloader.running)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    @staticmethod
    def _place(config: dict[str, Any]) -> str:
        return f"{config['http_server']['address']}:{config['http_server']['port']}"


def _rendered(binary: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the config that a new process renders from the project's current files.

    Raises:
        ServerFailed: the config could not be rendered; the text says why.
    """
    server = "dev" if binary is None else "centrifugo"
    command = [sys.executable, "-m", "django", "runws", "--print-config", "--server", server, "--host", options["host"]]
    if options["port"]:
        command += ["--port", str(options["port"])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerFailed(f"the config could not be rendered: {error}") from error
    # The project itself may print lines before the config.
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise ServerFailed(f"the config could not be rendered: {said[-1].removeprefix('CommandError: ')}")
    config: dict[str, Any] = json.loads(lines[-1])
    return config
