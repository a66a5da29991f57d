"""What we read in a transaction of the site never makes it fail: SQLite does not wait where a read comes first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
#: Another connection writes between what we read and what we write. If it could begin, it waits for us at its commit,
#: and SQLite lets us fail. If it could not begin, we go on.
PROGRAM = """
import sqlite3, sys, threading, time
import django
django.setup()
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db.models import signals
from instant.models import Channel
from instant.revocation import causes, recording
from tests.security.staffing.models import Person

call_command("migrate", verbosity=0)
group = Group.objects.create(name="editors")
person = Person.objects.create(username="ann")
person.groups.add(group)
permission = Permission.objects.first()
person.user_permissions.add(permission)
channel = Channel.objects.create(name="$a", level="groups")
channel.groups.add(group)

def write(**_):
    other = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None, check_same_thread=False)
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return
    other.execute("UPDATE django_content_type SET model = model")
    other.execute("PRAGMA busy_timeout = 10000")
    threading.Thread(target=other.execute, args=("COMMIT",), daemon=True).start()
    time.sleep(0.3)

def recheck(**options):
    write()
    recording.recheck(**options)

causes.recheck = recheck
signals.post_init.connect(write)
CHANGES = {
    "group.delete": lambda: group.delete(),
    "permission.delete": lambda: permission.delete(),
    "group.people.clear": lambda: group.people.clear(),
    "permission.user_set.clear": lambda: permission.user_set.clear(),
    "group.channel_set.clear": lambda: group.channel_set.clear(),
    "Channel.update": lambda: Channel.objects.update(is_active=False),
    "Channel.bulk_update": lambda: Channel.objects.bulk_update([channel], ["is_active"]),
    "rows.update": lambda: Person.groups.through.objects.update(group=group),
    "row.save": lambda: Person.groups.through.objects.get().save(),
}
CHANGES[sys.argv[2]]()
print("done")
"""


@pytest.mark.parametrize(
    "change",
    [
        "group.delete",
        "permission.delete",
        "group.people.clear",
        "permission.user_set.clear",
        "group.channel_set.clear",
        "Channel.update",
        "Channel.bulk_update",
        "rows.update",
        "row.save",
    ],
)
def test_a_change_of_the_site_is_not_locked_out(change: str, tmp_path: Path) -> None:
    database = tmp_path / "site.sqlite3"
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.security.staffing.settings",
        "PYTHONPATH": str(ROOT),
        "STAFFING_DATABASE": str(database),
        "STAFFING_TRANSACTIONS": "DEFERRED",
    }
    command = [sys.executable, "-c", PROGRAM, str(database), change]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout == "done\n", done.stderr
