"""manage.py recheck: end what users may no longer have, after changes that sent no signals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from instant.management.tenant_option import add_tenant_option, in_tenant
from instant.revocation import recheck


class Command(BaseCommand):
    """Do what `instant.revocation.recheck` does, for cron jobs and imports."""

    help = (
        "Enforce anew what users may join, and who may be in channels. For changes that sent no signals: "
        "QuerySet.update(), bulk_update(), SQL. Without options, all users are looked at."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", nargs="+", default=[], metavar="USERNAME", help="look at these users only")
        parser.add_argument("--channels", nargs="+", default=[], metavar="NAME", help="look at these channels only")
        parser.add_argument(
            "--topics",
            nargs="+",
            default=[],
            metavar="TOPIC",
            help="look at these topics of pages only: text, a number, a model (app.Model), an object (app.Model.pk)",
        )
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with in_tenant(options):
            self._recheck(**options)

    def _recheck(self, **options: Any) -> None:
        names, channels, topics = options["users"], options["channels"], options["topics"]
        users = get_user_model()._default_manager.all()
        if names or channels or topics:
            named_by = get_user_model().USERNAME_FIELD
            users = users.filter(**{f"{named_by}__in": names})
            missing = set(names) - {user.get_username() for user in users}
            if missing:
                raise CommandError(f"no such users: {', '.join(sorted(missing))}")
        recheck(users=users.iterator(), channels=channels, topics=[each for name in topics for each in _topics(name)])


def _topics(name: str) -> Iterator[Any]:
    """Give what a topic of this name may be. Pages that have a topic of the same name are loaded again, no more."""
    yield name
    if name.removeprefix("-").isdecimal():
        yield int(name)
    app, _, rest = name.partition(".")
    model_name, _, pk = rest.partition(".")
    with suppress(LookupError, ValueError, ValidationError):  # text that looks like a model
        model = apps.get_model(app, model_name)
        yield model(pk=model._meta.pk.to_python(pk)) if pk else model
