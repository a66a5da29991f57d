"""Receivers for changes that end access: changes of users, groups, permissions and channels.

Each receiver is connected for the model, its proxies and its multi-table children. `sessions` handles the end of
sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import router
from django.db.models import signals

from .. import features
from ..access.known_rights import forget_rights, rights_changed
from ..channels import rules
from ..channels.user_ids import user_id
from ..conf.settings import conf
from ..model_families import for_family
from ..models import Channel, Revocation
from ..models.write_lock import write_first
from . import sessions
from .recording import end_session, recheck, record
from .through_rows import watch_removal

if TYPE_CHECKING:
    from django.db.models import Model

_FLAGS = ("is_active", "is_staff", "is_superuser")


def _watched_fields(model: type[Model]) -> list[str]:
    """Return the fields of a user whose change can end access: flags, the password, and the user's id in Centrifugo."""
    names = [*_FLAGS, "password"]
    if conf.INSTANT_USER_ID == "username":
        names.append(get_user_model().USERNAME_FIELD)
    return [name for name in names if any(field.name == name for field in model._meta.concrete_fields)]


def _user_will_change(sender: type[Model], instance: Any, raw: bool, using: str, update_fields: Any, **_: Any) -> None:
    names = _watched_fields(sender)
    if raw or instance.pk is None or (update_fields is not None and not set(names) & set(update_fields)):
        return
    instance._instant_before = sender._base_manager.using(using).filter(pk=instance.pk).values(*names).first()


def _user_changed(instance: Any, using: str, **_: Any) -> None:
    before = instance.__dict__.pop("_instant_before", None)
    if not before:
        return
    if any(before.get(name) and not getattr(instance, name) for name in _FLAGS):
        recheck(users=[instance], using=using)
    named_by = get_user_model().USERNAME_FIELD
    if named_by in before and before[named_by] != getattr(instance, named_by):
        record([Revocation(user=str(before[named_by]))], using)
    if "password" in before and before["password"] != instance.password:
        # All sessions with the old password have ended. If the view keeps a session by update_session_auth_hash(), the
        # pages of this session reconnect, and get new tokens.
        end_session(user_id(instance), Revocation.ALL_SESSIONS, using)
        recheck(users=[instance], using=using)


def _user_deleted(instance: Any, using: str, **_: Any) -> None:
    recheck(users=[instance], using=using)
    forget_rights(instance)


def _rights_changed(user: Any, **_: Any) -> None:
    recheck(users=[user], using=router.db_for_write(Revocation))


def _membership_changed(
    instance: Any, action: str, reverse: bool, *, pk_set: set[Any] | None, using: str, field: Any, **_: Any
) -> None:
    """Handle a change of a user's groups, from either side. `field` is the field of the user model."""
    users = get_user_model()._default_manager.using(using)
    if action == "pre_clear" and reverse:  # after the change, the members are unknown
        write_first(using)
        recheck(users=list(users.filter(**{field.name: instance})), using=using)
    elif action == "post_remove" and reverse:
        recheck(users=users.filter(pk__in=pk_set or ()), using=using)
    elif action in ("post_remove", "post_clear") and not reverse:
        recheck(users=[instance], using=using)


def _permissions_changed(
    instance: Any, action: str, reverse: bool, *, model: type[Model], pk_set: set[Any] | None, using: str, **_: Any
) -> None:
    """Handle a change of the permissions of a user or a group, from either side.

    Channels of the admin and the settings do not depend on permissions. Rules and the topics of pages may.
    """
    if action == "pre_clear" and reverse:
        _permission_will_be_deleted(instance, using)
    elif action == "post_remove" and reverse:
        _permissions_removed(pk_set or (), using, of=model)
    elif action in ("post_remove", "post_clear") and not reverse:
        _permissions_removed([instance.pk], using, of=type(instance))


def _permission_will_be_deleted(instance: Permission, using: str, **_: Any) -> None:
    write_first(using)
    _holders_changed(lambda: [*_with_permission(instance, using), *instance.group_set.using(using)], using)


def _permissions_removed(pks: Iterable[Any], using: str, of: type[Model]) -> None:
    _holders_changed(lambda: of._default_manager.using(using).filter(pk__in=pks), using)


def _holders_changed(holders: Callable[[], Iterable[Any]], using: str) -> None:
    """Recheck users and groups that have lost a permission.

    `holders` reads them from the database. It is called only if a channel may depend on a permission.
    """
    for holder in holders() if _permissions_matter() else ():
        recheck(users=_members(holder, using) if isinstance(holder, Group) else [holder], using=using)


def _permissions_matter() -> bool:
    """Report whether a channel may depend on a permission: a channel by rule, or a topic of a page."""
    return bool(rules.registered()) or features.in_use().windows


def _with_permission(permission: Permission, using: str) -> Iterable[Any]:
    users = get_user_model()._default_manager.using(using)
    fields = [field.name for field in _fields_to(Permission)]
    return [user for name in fields for user in users.filter(**{name: permission})]


def _members(group: Group, using: str) -> list[Any]:
    """Return the users of a group. Return [] if the site's user model has no groups."""
    users = get_user_model()._default_manager.using(using)
    return [user for field in _fields_to(Group) for user in users.filter(**{field.name: group})]


def _fields_to(model: type[Model]) -> list[Any]:
    """Return the user model's many-to-many fields to this model, whatever their names are."""
    return [
        field
        for field in get_user_model()._meta.many_to_many
        if isinstance(field.related_model, type) and issubclass(field.related_model, model)
    ]


def _group_will_be_deleted(instance: Group, using: str, **_: Any) -> None:
    write_first(using)
    if _permissions_matter():
        recheck(users=_members(instance, using), using=using)
    recheck(channels=_channels_of(instance, using), using=using)


def _channels_of(group: Any, using: str) -> list[str]:
    return list(Channel.objects.using(using).filter(groups=group).values_list("name", flat=True))


def _channel_will_change(instance: Channel, raw: bool, using: str, **_: Any) -> None:
    if raw or instance.pk is None:
        return
    rows = Channel._base_manager.using(using).filter(pk=instance.pk)
    before = rows.values("name", "level", "is_active").first()
    if before and before != {"name": instance.name, "level": instance.level, "is_active": instance.is_active}:
        instance._instant_before = before["name"]  # type: ignore[attr-defined]


def _channel_changed(instance: Channel, using: str, **_: Any) -> None:
    before = instance.__dict__.pop("_instant_before", None)
    if before is not None:
        recheck(channels={before, instance.name}, using=using)


def _channel_deleted(instance: Channel, using: str, **_: Any) -> None:
    recheck(channels=[instance.name], using=using)


def _groups_of_channels_changed(
    instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, using: str, **_: Any
) -> None:
    channels = Channel.objects.using(using)
    if action == "pre_clear" and reverse:
        write_first(using)
        recheck(channels=_channels_of(instance, using), using=using)
    elif action == "post_remove" and reverse:
        recheck(channels=list(channels.filter(pk__in=pk_set or ()).values_list("name", flat=True)), using=using)
    elif action in ("post_remove", "post_clear") and not reverse:
        recheck(channels=[instance.name], using=using)


def _users_removed(pks: list[Any], using: str) -> None:
    recheck(users=get_user_model()._default_manager.using(using).filter(pk__in=pks), using=using)


def _channels_removed(pks: list[Any], using: str) -> None:
    names = Channel.objects.using(using).filter(pk__in=pks).values_list("name", flat=True)
    recheck(channels=list(names), using=using)


def connect() -> None:
    """Connect the receivers. This is called once, when all apps are loaded."""
    user_model = get_user_model()
    for_family(user_model, _connect_user, "instant.users")
    for_family(Group, partial(_connect, signals.pre_delete, _group_will_be_deleted), "instant.groups")
    for_family(Channel, _connect_channel, "instant.channels")
    for field in _fields_to(Group):
        through = field.remote_field.through
        receiver = partial(_membership_changed, field=field)
        signals.m2m_changed.connect(receiver, through, weak=False, dispatch_uid=f"instant.members.{field.name}")
        watch_removal(through, field.m2m_field_name(), _users_removed)
    for_family(Permission, partial(_connect, signals.pre_delete, _permission_will_be_deleted), "instant.permissions")
    for holders in (*_fields_to(Permission), Group._meta.get_field("permissions")):
        through = holders.remote_field.through
        signals.m2m_changed.connect(_permissions_changed, through, dispatch_uid=f"instant.{through.__name__}")
        watch_removal(through, holders.m2m_field_name(), partial(_permissions_removed, of=holders.model))
    through = Channel.groups.through
    signals.m2m_changed.connect(_groups_of_channels_changed, through, dispatch_uid="instant.channels_groups")
    groups: Any = Channel._meta.get_field("groups")
    watch_removal(through, groups.m2m_field_name(), _channels_removed)
    rights_changed.connect(_rights_changed, dispatch_uid="instant.rights")
    sessions.connect()


def _connect_user(model: type[Model]) -> None:
    _connect(signals.pre_save, _user_will_change, model)
    _connect(signals.post_save, _user_changed, model)
    _connect(signals.pre_delete, _user_deleted, model)


def _connect_channel(model: type[Model]) -> None:
    _connect(signals.pre_save, _channel_will_change, model)
    _connect(signals.post_save, _channel_changed, model)
    _connect(signals.post_delete, _channel_deleted, model)


def _connect(signal: Any, receiver: Any, model: type[Model]) -> None:
    signal.connect(receiver, sender=model, dispatch_uid=f"instant.{receiver.__name__}")
