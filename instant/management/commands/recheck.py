"""`manage.py recheck`: revoke access that users have lost through changes without signals."""

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
    """Run `instant.revocation.recheck`, for cron jobs and imports."""

    help = (
        "Revoke access that users have lost through changes without signals: QuerySet.update(), bulk_update(), SQL. "
        "Without options, all users are checked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", nargs="+", default=[], metavar="USERNAME", help="check only these users")
        parser.add_argument("--channels", nargs="+", default=[], metavar="NAME", help="check only these channels")
        parser.add_argument(
            "--topics",
            nargs="+",
            default=[],
            metavar="TOPIC",
            help="check only these topics of pages: text, a number, a model (app.Model), an object (app.Model.pk)",
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
                raise CommandError(f"There are no such users: {', '.join(sorted(missing))}")
        recheck(users=users.iterator(), channels=channels, topics=[each for name in topics for each in _topics(name)])


def _topics(name: str) -> Iterator[Any]:
    """Yield the topics that a name may stand for. Pages with another topic of the same name only load it again."""
    yield name
    if name.removeprefix("-").isdecimal():
        yield int(name)
    app, _, rest = name.partition(".")
    model_name, _, pk = rest.partition(".")
    with suppress(LookupError, ValueError, ValidationError):  # a text that only resembles a model
        model = apps.get_model(app, model_name)
        yield model(pk=model._meta.pk.to_python(pk)) if pk else model
