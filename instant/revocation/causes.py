"""The receivers of the changes that take access away: of users, groups, permissions and channels, and logging out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from asgiref.local import Local
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.core.signals import request_finished
from django.db.models import signals

from ..centrifugo import cent_api
from ..channels import rules
from ..channels.user_ids import user_id
from ..exceptions import ServerError
from ..models import Channel
from .repeating import recheck

if TYPE_CHECKING:
    from django.db.models import Model

logger = logging.getLogger("instant")

_FLAGS = ("is_active", "is_staff", "is_superuser")


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
        cent_api.disconnect(sub)
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
