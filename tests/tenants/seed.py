"""Make the databases of both tenants: python -m tests.tenants.seed"""

from __future__ import annotations

import os

import django


def seed() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.tenants.settings")
    django.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    from instant.models import Channel
    from tests.tenants import current

    for tenant in current.NAMES:
        with current.entered(tenant):
            call_command("migrate", database=tenant, run_syncdb=True, verbosity=0)
            user = User.objects.create_user(f"user-of-{tenant}")
            group = Group.objects.create(name="team")
            user.groups.add(group)
            Channel.objects.create(name="$team", level="groups").groups.add(group)


if __name__ == "__main__":
    seed()
