"""`manage.py installws`: install the Centrifugo server."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from instant.centrifugo import install
from instant.centrifugo.binary import install_dir, reported_version
from instant.conf.settings import Settings
from instant.exceptions import InstallError, InstantError, ServerFailed


class Command(BaseCommand):
    """Install the Centrifugo server that runws starts, or print its config."""

    help = "Install the Centrifugo server: download its release, verify it, and unpack it."
    # The command must work even if checks of the project fail.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Replace Django's own option --version: here it is the version of the server."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add = parser.add_argument
        add("--version", help=f"version of Centrifugo, {install.VERSION} by default")
        add("--dir", default="centrifugo", help="target directory, relative to BASE_DIR (default: %(default)s)")
        add("--from", dest="source", metavar="FILE-or-URL", help="use this archive instead of downloading the release")
        add("--force", action="store_true", help="replace a server that is already installed")
        add(
            "--print-config",
            action="store_true",
            help="print the config that runws passes to the server, including its secrets, and exit",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command.

        Raises:
            CommandError: the command failed. No partial installation is left.
        """
        try:
            if options["print_config"]:
                from instant.centrifugo.config import render

                self.stdout.write(json.dumps(render(), indent=2))
            else:
                self._install(options)
        except InstantError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was installed.", returncode=130) from None

    def _install(self, options: dict[str, Any]) -> None:
        source, say = options["source"], self.stdout.write if options["verbosity"] else _silent
        asked = _asked_version(options["version"], source)
        release = install.Release.for_this_machine(asked or install.VERSION)
        directory = install_dir().parent / options["dir"]
        if not options["force"] and (found := _version_to_keep(directory / release.binary, asked)):
            hint = f"--version {install.VERSION}" if found != install.VERSION else "--force"
            say(f"Centrifugo {found} is already installed in {directory}. To replace it, run installws {hint}")
            return
        say(f"Installing Centrifugo {release.version} for {release.system} {release.machine} ...")
        with _Bar(self.stdout, shown=options["verbosity"] > 0) as bar:
            target = install.install(release, directory, source, bar, warn=self._warn)
        try:
            say(self.style.SUCCESS(f"Installed Centrifugo {reported_version(target)}: {target}"))
        except ServerFailed as error:
            self._warn(str(error))
        say(_next_steps(target))

    def _warn(self, text: str) -> None:
        self.stderr.write(f"Warning: {text}", self.style.WARNING)


class _Bar:
    """Show a progress bar on a terminal, otherwise a line for each quarter, or each 25 MiB if the size is unknown."""

    def __init__(self, out: OutputWrapper, *, shown: bool) -> None:
        self.out, self.shown, self.live, self.last = out, shown, out.isatty(), -1

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.live and self.last >= 0:
            self.out.write()

    def __call__(self, done: int, total: int | None) -> None:
        # A step is one percent, or one mebibyte if the size is unknown.
        step = 100 * done // total if total else done >> 20
        if not self.live:
            step -= step % 25
        if not self.shown or step == self.last:
            return
        self.last = step
        text = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB, {step} %" if total else f"{done / 1e6:.1f} MB"
        if self.live:
            filled = step * 30 // 100 if total else 0
            self.out.write(f"\r[{'#' * filled:<30}] {text}", ending="")
            self.out.flush()
        else:
            self.out.write(f"  {text}")


def _silent(text: str) -> None:
    """Print nothing: --verbosity 0."""


def _asked_version(version: str | None, source: str | None) -> str | None:
    """Return the version in --version or in the name of the archive, or None.

    Raises:
        InstallError: the two versions differ.
    """
    named = install.version_in_name(source) if source else None
    if version is None or named is None:
        return named or (version and version.removeprefix("v"))
    if named != version.removeprefix("v"):
        raise InstallError(f"{source} is version {named}, but --version is {version}. Remove --version.")
    return named


def _version_to_keep(binary: Path, asked: str | None) -> str | None:
    """Return the installed version, or None if there is none or another version is requested.

    Raises:
        InstallError: the installed binary cannot be run.
    """
    if not binary.is_file():
        return None
    try:
        found = reported_version(binary)
    except ServerFailed as error:
        raise InstallError(f"{str(error).removesuffix('.')}. Replace it with `installws --force`.") from error
    return found if asked in (None, found) else None


def _next_steps(binary: Path) -> str:
    now = {name: getattr(settings, name, getattr(Settings, name)) for name in dir(Settings) if name.isupper()}
    lines = ["", "The current values of the main settings. Change them in your Django settings:", ""]
    # The repr() of an address hides its credentials.
    lines += [f"    {name} = {now[name]!r}" for name in ("SITE_NAME", "CENTRIFUGO_HOST", "CENTRIFUGO_PORT")]
    if binary.parent != install_dir():
        lines.append(f"    CENTRIFUGO_BINARY = {str(binary)!r}  # add this: runws does not search there by itself")
    keys = [name for name in ("CENTRIFUGO_HMAC_KEY", "CENTRIFUGO_API_KEY") if not now[name]]
    if keys:
        lines += [
            "",
            "Keys that are not set are derived from SECRET_KEY. To set them yourself, use these random values:",
            "",
        ]
        lines += [f"    # {name} = {secrets.token_urlsafe(48)!r}" for name in keys]
    return "\n".join([*lines, "", "Next, start the server:", "", "    python manage.py runws"])
