"""All that ends access: each takes what one user of the site has, in a request of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from instant.models import Channel
from instant.revocation import recheck

from .models import Board, Crew, Employee, Guest, Person, Team, Wing

USERS: tuple[type[Person], ...] = (Person, Employee, Guest)
GROUPS: tuple[type[Group], ...] = (Group, Crew, Team)
CHANNELS: tuple[type[Channel], ...] = (Channel, Board, Wing)
#: What a cause is given: a user, the user's one group, the one channel of that group.
Cause = Callable[[Person, Group, Channel], object]


def _saved(**values: Any) -> Callable[[Any], None]:
    def save(instance: Any) -> None:
        for name, value in values.items():
            setattr(instance, name, value)
        instance.save()

    return save


def _set_password(user: Any) -> None:
    user.set_password("another")
    user.save()


def _rename(channel: Any) -> None:
    channel.name += "-renamed"
    channel.save()


def _sessions_of(user: Person) -> list[Session]:
    return [row for row in Session.objects.all() if row.get_decoded().get("_auth_user_id") == str(user.pk)]


def _delete_sessions(user: Person) -> None:
    Session.objects.filter(pk__in=[row.pk for row in _sessions_of(user)]).delete()


def _clear_expired(user: Person) -> None:
    rows = Session.objects.filter(pk__in=[row.pk for row in _sessions_of(user)])
    rows.update(expire_date=timezone.now() - timedelta(seconds=1))
    call_command("clearsessions")


def _move_to_another_group(user: Person, group: Group, channel: Channel) -> None:
    row = Person.groups.through.objects.get(person=user, group=group)
    row.group = Team.objects.create(name=f"another of {user.pk}")
    row.save()


def _close_desk(user: Person) -> None:
    Person.objects.filter(pk=user.pk).update(last_name="out")


def _recheck_user(user: Person) -> None:
    _close_desk(user)
    recheck(users=[user])


def _recheck_channel(user: Person) -> None:
    _close_desk(user)
    recheck(channels=[f"$desk-{user.username}"])


#: The level of the channel where that is not "groups": it is this cause that takes it.
LEVELS = {
    "is_superuser taken": "superuser",
    "is_staff taken": "staff",
    "user_permissions.clear": "rule",
    "user_permissions.remove": "rule",
    "permissions.clear": "rule by group",
    "permissions.remove": "rule by group",
}
#: By name: what is done with an object of the user's class, of the group's, and of the channel's.
OF_USERS: Mapping[str, Callable[[Any], object]] = {
    "is_active taken": _saved(is_active=False),
    "is_superuser taken": _saved(is_superuser=False),
    "is_staff taken": _saved(is_staff=False),
    "deleted": lambda user: user.delete(),
    "groups.clear": lambda user: user.groups.clear(),
    "groups.set": lambda user: user.groups.set([]),
    "password set": _set_password,
    "user_permissions.clear": lambda user: user.user_permissions.clear(),
    "user_permissions.remove": lambda user: user.user_permissions.remove(*user.user_permissions.all()),
}
OF_GROUPS: Mapping[str, Callable[[Any], object]] = {
    "deleted": lambda group: group.delete(),
    "people.clear": lambda group: group.people.clear(),
    "people.set": lambda group: group.people.set([]),
    "permissions.clear": lambda group: group.permissions.clear(),
    "permissions.remove": lambda group: group.permissions.remove(*group.permissions.all()),
}
OF_CHANNELS: Mapping[str, Callable[[Any], object]] = {
    "deactivated": _saved(is_active=False),
    "level raised": _saved(level="superuser"),
    "renamed": _rename,
    "deleted": lambda channel: channel.delete(),
    "groups.clear": lambda channel: channel.groups.clear(),
    "groups.set": lambda channel: channel.groups.set([]),
}
OF_ROWS: Mapping[str, Cause] = {
    "groups.remove": lambda user, group, channel: user.groups.remove(group),
    "people.remove": lambda user, group, channel: group.people.remove(user),
    "row of user and group deleted": lambda user, group, channel: Person.groups.through.objects.get(
        person=user, group=group
    ).delete(),
    "rows of user and group deleted": lambda user, group, channel: Person.groups.through.objects.filter(
        person=user
    ).delete(),
    "row of channel and group deleted": lambda user, group, channel: Channel.groups.through.objects.get(
        channel=channel
    ).delete(),
    "rows of channel and group deleted": lambda user, group, channel: Channel.groups.through.objects.filter(
        channel=channel
    ).delete(),
    "row of user and group changed": _move_to_another_group,
    "rows of user and group changed": lambda user, group, channel: Person.groups.through.objects.filter(
        person=user
    ).update(group=Team.objects.create(name=f"another of {user.pk}")),
    "users deleted by a queryset": lambda user, group, channel: Person.objects.filter(pk=user.pk).delete(),
    "channels changed by a queryset": lambda user, group, channel: Channel.objects.filter(pk=channel.pk).update(
        is_active=False
    ),
}
OF_PERMISSIONS: Mapping[str, Callable[[Person], object]] = {
    "rows of user and permission deleted": lambda user: Person.user_permissions.through.objects.filter(
        person=user
    ).delete(),
    "permission deleted": lambda user: user.user_permissions.get().delete(),
    "recheck of the user": _recheck_user,
    "recheck of the channel": _recheck_channel,
}
OF_SESSIONS: Mapping[str, Callable[[Person], object]] = {
    "session row deleted": lambda user: [row.delete() for row in _sessions_of(user)],
    "session rows deleted": _delete_sessions,
    "all sessions deleted": lambda user: Session.objects.all().delete(),
    "clearsessions": _clear_expired,
}
#: Done by the user, in an own request.
OF_REQUESTS = ("logout", "alogout", "session.flush", "password changed")


def all_causes() -> dict[str, dict[str, Any]]:
    """Return the causes by name, each with the level of the channel that is taken, and whether it is an own request."""
    found: dict[str, str] = {}
    for classes, causes in ((USERS, OF_USERS), (GROUPS, OF_GROUPS), (CHANNELS, OF_CHANNELS)):
        for model in classes:
            for name in causes:
                found[f"{model.__name__}: {name}"] = LEVELS.get(name, "groups")
    found |= dict.fromkeys(OF_ROWS, "groups")
    found |= dict.fromkeys(OF_PERMISSIONS, "rule")
    found |= dict.fromkeys([*OF_SESSIONS, *OF_REQUESTS], "users")
    return {name: {"level": level, "in_request": name in OF_REQUESTS} for name, level in found.items()}


def end(name: str, user: Person, group: Group, channel: Channel) -> None:
    """Do what this cause does to this user, group and channel."""
    if name in OF_ROWS:
        OF_ROWS[name](user, group, channel)
        return
    of_user = {**OF_SESSIONS, **OF_PERMISSIONS}
    if name in of_user:
        of_user[name](user)
        return
    class_name, _, cause = name.partition(": ")
    for classes, causes, instance in (
        (USERS, OF_USERS, user),
        (GROUPS, OF_GROUPS, group),
        (CHANNELS, OF_CHANNELS, channel),
    ):
        for model in classes:
            if model.__name__ == class_name:
                causes[cause](model._default_manager.get(pk=instance.pk))
