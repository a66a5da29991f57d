"""A site with data: `python -m tests.advice.site` with `fill`, `rows`, `run` (commands as JSON on stdin) or `one` (a
command as arguments). ADVICE in the environment has settings, such as DATABASES.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback

import django
from django.conf import settings

if not settings.configured:
    given = json.loads(os.environ["ADVICE"])
    settings.configure(
        DEBUG=True,
        SECRET_KEY="advice-tests-only-secret-key-of-more-than-fifty-characters-000001",
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF="instant.urls",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "instant",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "instant.middleware.InstantMiddleware",
        ],
        STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTANT_BROADCAST_WITH=os.environ.get("ADVICE_BACKEND", "outbox"),
        INSTANT_WINDOWS=True,
        INSTANT_SOCKET_HANDLERS={"echo": "tests.sockets.handlers.RandomCounter"},
        INSTANT_NAMESPACES={"post": {}},
        **given,
    )
django.setup()

from django.apps import apps  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402
from django.core.serializers import serialize  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

TENANTS = {"INSTANT_TENANT": "tests.tenants.current.name", "INSTANT_TENANT_CONTEXT": "tests.tenants.current.entered"}


def fill() -> None:
    """Migrate, and create rows in each of our tables, and of users and sessions."""
    from django.contrib.auth.models import Group, Permission, User
    from django.contrib.sessions.backends.db import SessionStore

    from instant import publish
    from instant.models import Channel, KnownRights, OutboxLease
    from instant.revocation import recheck

    execute_from_command_line(["manage.py", "migrate", "--verbosity=0"])
    group = Group.objects.create(name="writers")
    group.permissions.add(Permission.objects.first())
    for name in ("ann", "bob"):
        user = User.objects.create_user(name, f"{name}@example.org", "secret")
        user.groups.add(group)
        session = SessionStore()
        session["_auth_user_id"] = str(user.pk)
        session.create()
        publish(f"$user.{user.pk}", "waits")
    for level in ("public", "users", "staff", "superuser"):
        Channel.objects.create(name=f"{level}-news", level=level, paths=[f"/{level}/"])
    Channel.objects.create(name="writers-news", level="groups").groups.add(group)
    recheck(users=User.objects.filter(username="ann"), channels=["$post:7"], topics=["front page"])
    group.user_set.remove(user)
    KnownRights.objects.create(user=str(user.pk), fingerprint="as they were")
    OutboxLease.objects.create(owner="a relay that has ended", until=timezone.now())


def rows() -> dict[str, list[str]]:
    """Return all rows of each table, each as JSON."""
    tables = {
        model._meta.label: json.loads(serialize("json", model._base_manager.all()))
        for model in apps.get_models(include_auto_created=True)
    }
    return {label: sorted(json.dumps(row, sort_keys=True) for row in table) for label, table in tables.items()}


def run(commands: list[list[str]]) -> list[dict[str, object]]:
    """Run each command, and return its exit status, its output, and the rows that it changed, removed and added."""
    answers = []
    for command in commands:
        before, said, status = rows(), io.StringIO(), 0
        tenants = override_settings(**(TENANTS if "--tenant" in command else {}))
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), tenants:
            try:
                execute_from_command_line(["manage.py", *command])
            except SystemExit as error:
                status = int(error.code or 0) if isinstance(error.code, int) or not error.code else 1
            except BaseException:
                status = 99
                traceback.print_exc()
        after = rows()
        answers.append({"status": status, "said": said.getvalue(), **compared(before, after)})
    return answers


def compared(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """Return the rows that are in `before` only, and those that are in `after` only. A changed row is in both."""
    return {"lost": _more(before, after), "added": _more(after, before)}


def _more(some: dict[str, list[str]], others: dict[str, list[str]]) -> dict[str, list[str]]:
    return {label: more for label, rows in some.items() if (more := sorted(set(rows) - set(others[label])))}


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "fill":
        fill()
        print(json.dumps(rows()))
    elif what == "rows":
        print(json.dumps(rows()))
    elif what == "compare":
        print(json.dumps(compared(json.load(sys.stdin), rows())))
    elif what == "run":
        print(json.dumps(run(json.load(sys.stdin))))
    else:
        with override_settings(**(TENANTS if "--tenant" in words else {})):
            execute_from_command_line(["manage.py", *words])
