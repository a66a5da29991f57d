"""Access is taken back at once: who may no longer be in a channel is unsubscribed when the change commits.

The server remembers no revocation, and a token that was saved joins again while it lasts. So a revocation is remembered
in the database, in the transaction of the change, and looked at again every `INTERVAL` seconds until the channel tokens
that were given out before it have expired. Each look decides by what is true then: who got the right back stays in.

`QuerySet.update()` on users or groups sends no signals: call `recheck(users=[…])` after it. What else a rule looks at,
only its site knows: `recheck(channels=["$post:1"])`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from asgiref.local import Local
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.core.signals import request_finished
from django.db import close_old_connections, connections, transaction
from django.db.models import signals
from django.utils import timezone

from . import looks, rules
from .centrifugo import api
from .conf import conf
from .exceptions import ServerError
from .forks import in_child
from .models import Channel, Revocation
from .token import user_id

if TYPE_CHECKING:
    from django.db.models import Model

logger = logging.getLogger("instant")

#: Seconds between two looks at one revocation.
INTERVAL = 10
#: Users and channels that one change looks at before its caller goes on: the groups of a site may be large.
AT_ONCE = 100
_FLAGS = ("is_active", "is_staff", "is_superuser")


def recheck(*, users: Iterable[Any] = (), channels: Iterable[str] = ()) -> None:
    """Look again at what these users may join, and at who is in the channels of these names, when the transaction
    commits and until the tokens given out before have expired. What is beyond AT_ONCE waits for the thread."""
    now = timezone.now()
    until = now + timedelta(seconds=conf.INSTANT_CHANNEL_TOKEN_TTL)
    times = {"next_at": now + timedelta(seconds=INTERVAL), "until": until}
    rows = [Revocation(user=user_id(user), **times) for user in users]
    rows += [Revocation(channel=name, **times) for name in channels]
    if rows:
        for row in rows[AT_ONCE:]:
            row.next_at = now
        Revocation.objects.bulk_create(rows)
        transaction.on_commit(partial(_apply_all, rows[:AT_ONCE]), robust=True)
        transaction.on_commit(start_repeating, robust=True)


def repeat_due() -> bool:
    """Look at the revocations whose time has come, each in one process only; tell whether any are left."""
    now = timezone.now()
    claimed = []
    for row in Revocation.objects.filter(next_at__lte=now):
        later = now + timedelta(seconds=INTERVAL)
        if Revocation.objects.filter(pk=row.pk, next_at=row.next_at).update(next_at=later):
            claimed.append(row)
    undone = _apply_all(claimed)
    over = [row.pk for row in claimed if row.until <= now and (row.user, row.channel) not in undone]
    Revocation.objects.filter(pk__in=over).delete()
    left: bool = Revocation.objects.exists()
    return left


def _apply_all(rows: Iterable[Revocation]) -> set[tuple[str, str]]:
    """Look at each user and channel once; return those for which the server was not to be had."""
    undone = set()
    for user, channel in dict.fromkeys((row.user, row.channel) for row in rows):
        try:
            if channel:
                looks.at_channel(channel)
            else:
                looks.at_user(user)
        except ServerError as error:
            undone.add((user, channel))
            logger.warning("revocation of %s not done yet, tried again: %s", channel or f"user {user}", error)
    return undone


class _Repeater:
    """The one thread of this process that repeats; it ends when nothing is left, and starts anew in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = False
        self.asked_at = float("-inf")

    def start(self) -> None:
        with self.lock:
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="instant-revocations", daemon=True).start()

    def _run(self) -> None:
        left = True
        try:
            while left:
                time.sleep(INTERVAL)
                close_old_connections()
                left = repeat_due()
        except Exception:
            logger.exception("repeating revocations stopped; the next request for tokens starts it again")
        finally:
            self.running = False
            connections.close_all()


_repeater = _Repeater()


def _after_fork() -> None:
    global _repeater  # noqa: PLW0603
    _repeater = _Repeater()


in_child(_after_fork)


def start_repeating() -> None:
    """Start the thread that repeats revocations, unless this process has one."""
    _repeater.start()


def resume() -> None:
    """Go on with what a process that has ended left to repeat; costs one query each INTERVAL at the most."""
    now = time.monotonic()
    if now - _repeater.asked_at >= INTERVAL:
        _repeater.asked_at = now
        if not _repeater.running and Revocation.objects.exists():
            start_repeating()


# What takes access away, and whom it concerns


def _user_will_change(sender: type[Model], instance: Any, raw: bool, using: str, update_fields: Any, **_: Any) -> None:
    flags = [name for name in _FLAGS if any(field.name == name for field in sender._meta.concrete_fields)]
    if raw or instance.pk is None or (update_fields is not None and not set(flags) & set(update_fields)):
        return
    before = sender._base_manager.using(using).filter(pk=instance.pk).values(*flags).first() or {}
    instance._instant_lost = any(before[name] and not getattr(instance, name) for name in before)


def _user_changed(instance: Any, **_: Any) -> None:
    if instance.__dict__.pop("_instant_lost", False):
        recheck(users=[instance])


def _user_deleted(instance: Any, **_: Any) -> None:
    recheck(users=[instance])


def _groups_of_users_changed(instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **_: Any) -> None:
    if action == "pre_clear" and reverse:  # after it, nobody knows who they were
        recheck(users=list(instance.user_set.all()))
    elif action == "post_remove" and reverse:
        recheck(users=get_user_model()._default_manager.filter(pk__in=pk_set or ()))
    elif action in ("post_remove", "post_clear") and not reverse:
        recheck(users=[instance])


def _permissions_changed(
    instance: Any, action: str, reverse: bool, model: type[Model], pk_set: set[Any] | None, **_: Any
) -> None:
    """What only rules look at: permissions, of a user or a group, or from the side of the permission."""
    if not rules.registered():
        return
    holders: Iterable[Any] = ()
    if action == "pre_clear" and reverse:
        holders = [*_members(instance), *instance.group_set.all()]
    elif action == "post_remove" and reverse:
        holders = model._default_manager.filter(pk__in=pk_set or ())
    elif action in ("post_remove", "post_clear") and not reverse:
        holders = [instance]
    for holder in holders:
        recheck(users=_members(holder) if isinstance(holder, Group) else [holder])


def _members(of: Model) -> Iterable[Any]:
    """The users of a group, or with a permission; nobody, where the site's users have none."""
    users: Any = getattr(of, "user_set", None)
    return () if users is None else users.all()


def _group_will_be_deleted(instance: Group, **_: Any) -> None:
    if rules.registered():
        recheck(users=_members(instance))
    recheck(channels=list(instance.channel_set.values_list("name", flat=True)))


def _channel_will_change(instance: Channel, raw: bool, using: str, **_: Any) -> None:
    if raw or instance.pk is None:
        return
    rows = Channel._base_manager.using(using).filter(pk=instance.pk)
    before = rows.values("name", "level", "is_active").first()
    if before and before != {"name": instance.name, "level": instance.level, "is_active": instance.is_active}:
        instance._instant_before = before["name"]  # type: ignore[attr-defined]


def _channel_changed(instance: Channel, **_: Any) -> None:
    before = instance.__dict__.pop("_instant_before", None)
    if before is not None:
        recheck(channels={before, instance.name})


def _channel_deleted(instance: Channel, **_: Any) -> None:
    recheck(channels=[instance.name])


def _groups_of_channels_changed(instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **_: Any) -> None:
    if action == "pre_clear" and reverse:
        recheck(channels=list(instance.channel_set.values_list("name", flat=True)))
    elif action == "post_remove" and reverse:
        recheck(channels=list(Channel.objects.filter(pk__in=pk_set or ()).values_list("name", flat=True)))
    elif action in ("post_remove", "post_clear") and not reverse:
        recheck(channels=[instance.name])


_leaving = Local()


def _logged_out(user: Any, **_: Any) -> None:
    """All the user's pages are closed: those of other browsers ask for new tokens and come back, this one may not.

    Django tells before it ends the session, which would still give out tokens, so this waits for the request's end. It
    is not remembered: the user keeps every right, and may log in again at once.
    """
    if user is not None and user.is_authenticated:
        _leaving.users = [*getattr(_leaving, "users", ()), user_id(user)]


def _request_over(**_: Any) -> None:
    users, _leaving.users = getattr(_leaving, "users", ()), ()
    for sub in users:
        _disconnect(sub)


def _disconnect(sub: str) -> None:
    try:
        api.disconnect(sub)
    except ServerError as error:
        logger.warning("user %s logged out, but is still connected: %s", sub, error)


def connect() -> None:
    """Connect the receivers; called once, when the apps are ready."""
    user_model = get_user_model()
    signals.pre_save.connect(_user_will_change, sender=user_model, dispatch_uid="instant.user_will_change")
    signals.post_save.connect(_user_changed, sender=user_model, dispatch_uid="instant.user_changed")
    signals.pre_delete.connect(_user_deleted, sender=user_model, dispatch_uid="instant.user_deleted")
    if hasattr(user_model, "groups"):
        through = user_model.groups.through
        signals.m2m_changed.connect(_groups_of_users_changed, sender=through, dispatch_uid="instant.users_groups")
    for holder in (getattr(user_model, "user_permissions", None), Group.permissions):
        if holder is not None:
            name = f"instant.{holder.through.__name__}"
            signals.m2m_changed.connect(_permissions_changed, sender=holder.through, dispatch_uid=name)
    signals.pre_delete.connect(_group_will_be_deleted, sender=Group, dispatch_uid="instant.group_deleted")
    signals.pre_save.connect(_channel_will_change, sender=Channel, dispatch_uid="instant.channel_will_change")
    signals.post_save.connect(_channel_changed, sender=Channel, dispatch_uid="instant.channel_changed")
    signals.post_delete.connect(_channel_deleted, sender=Channel, dispatch_uid="instant.channel_deleted")
    signals.m2m_changed.connect(
        _groups_of_channels_changed, sender=Channel.groups.through, dispatch_uid="instant.channels_groups"
    )
    user_logged_out.connect(_logged_out, dispatch_uid="instant.logged_out")
    request_finished.connect(_request_over, dispatch_uid="instant.request_over")
