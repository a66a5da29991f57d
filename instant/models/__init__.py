"""The models: channels, the outbox, revocations, and the data by which permissions are rechecked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from .. import protocol
from ..channels import declared
from ..channels.names import private_name, public_name
from ..channels.namespaces import check_own_name
from ..exceptions import InvalidChannel
from ..expressions import resolve
from .outbox import OutboxEntry, OutboxLease, PayloadField
from .revocations import KnownRights, RecheckedTopic, Revocation
from .write_lock import write_first

if TYPE_CHECKING:
    from ..channels.user_ids import User

__all__ = [
    "NAME_LENGTH",
    "Channel",
    "ChannelQuerySet",
    "KnownRights",
    "OutboxEntry",
    "OutboxLease",
    "PayloadField",
    "RecheckedTopic",
    "Revocation",
    "open_to",
    "validate_paths",
]

NAME_LENGTH = 120


class ChannelQuerySet(models.QuerySet["Channel"]):
    """Channels. The bulk methods do what `save()` does: they correct the `$` of names, and revoke access."""

    def for_user(self, user: User) -> ChannelQuerySet:
        """Return the active channels that `user` may join, in one query, each once, ordered by name.

        Visitors and inactive users get the public channels. Groups count only at the level "groups". `is_staff` and
        `is_superuser` each grant their own level and no other.
        """
        rows: ChannelQuerySet = self.filter(Q(is_active=True) & _levels_of(user)).order_by("name")
        return rows

    def update(self, **kwargs: Any) -> int:
        """Set the values in each row, and save it.

        A single UPDATE would neither correct the `$` of names nor revoke access.

        Raises:
            InvalidChannel: a name is not valid on the server or reserved, or the paths are invalid.
        """
        self._for_write = True  # makes `db` the database to write to
        with transaction.atomic(using=self.db):
            write_first(self.db)
            rows = list(self)
            for row in rows:
                for name, value in kwargs.items():
                    setattr(row, name, value)
                row.save(using=self.db, update_fields=kwargs)
        return len(rows)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[Channel], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Save each row, for the same reason as `update()`.

        Raises:
            InvalidChannel: a name is not valid on the server or reserved, or the paths are invalid.
        """
        self._for_write = True
        rows, fields = list(objs), list(fields)
        with transaction.atomic(using=self.db):
            write_first(self.db)
            for row in rows:
                row.save(using=self.db, update_fields=fields)
        return len(rows)

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Channel], *args: Any, **kwargs: Any) -> list[Channel]:
        """Create the rows in one query, each with the `$` that its level requires.

        Raises:
            InvalidChannel: a name is not valid on the server or reserved, or the paths are invalid.
            ValueError: `update_conflicts` is set. It would change rows without revoking access.
        """
        if kwargs.get("update_conflicts"):
            raise ValueError("Channel.objects.bulk_create() cannot update rows. Use update_or_create().")
        rows = list(objs)
        for row in rows:
            row.normalize()
            row.check_paths()
        return super().bulk_create(rows, *args, **kwargs)

    bulk_create.alters_data = True  # type: ignore[attr-defined]


def open_to(user: User) -> list[str]:
    """Return the levels whose channels `user` may join. "groups" is not included: it also depends on memberships."""
    if not (user.is_authenticated and user.is_active):
        return [protocol.PUBLIC]
    flags = {protocol.STAFF: "is_staff", protocol.SUPERUSER: "is_superuser"}
    return [protocol.PUBLIC, protocol.USERS, *(level for level, flag in flags.items() if getattr(user, flag, False))]


def _levels_of(user: User) -> Q:
    own = open_to(user)
    levels = Q(level__in=own)
    if protocol.USERS in own and hasattr(user, "groups"):
        memberships = Channel.groups.through._default_manager.filter(
            channel_id=OuterRef("pk"), group_id__in=user.groups.order_by().values("pk")
        )
        levels |= Q(Exists(memberships), level=protocol.GROUPS)
    return levels


def validate_paths(value: object) -> None:
    """Validate the paths of a channel. Django calls this in forms and in `full_clean()`.

    Raises:
        ValidationError: the paths are invalid; the text says why.
    """
    if fault := declared.fault_of_paths(value):
        raise ValidationError(fault)


class Channel(models.Model):
    """A channel and who may join it. The names of all channels except public ones begin with `$`."""

    class Level(models.TextChoices):
        Public = protocol.PUBLIC, _("Public")
        Users = protocol.USERS, _("Users")
        Groups = protocol.GROUPS, _("Groups")
        Staff = protocol.STAFF, _("Staff")
        Superuser = protocol.SUPERUSER, _("Superuser")

    name = models.CharField(
        _("name"),
        max_length=NAME_LENGTH,
        unique=True,
        help_text=_("The level Public removes a $ from the front of the name. Every other level adds it."),
    )
    level = models.CharField(
        _("level"),
        max_length=20,
        choices=Level.choices,
        default=Level.Superuser,
        help_text=_(
            "Who may join. Public: everyone. Users: everyone who is logged in. Groups: members of the groups below. "
            "Staff: users with staff status. Superuser (the default): superusers only."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    groups = models.ManyToManyField(Group, blank=True, verbose_name=_("groups"))
    paths = models.JSONField(
        _("paths"),
        default=list,
        blank=True,
        validators=[validate_paths],
        help_text=_(
            "URL paths of the pages that join this channel automatically. /news/ is one page; /news/* is that page and "
            "all pages below it. Without paths, every page joins it."
        ),
    )

    objects = ChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")

    def __str__(self) -> str:
        return self.name

    def normalize(self) -> None:
        """Add or remove the `$` of the name, as the level requires.

        Raises:
            InvalidChannel: the name is not text, not valid on the server, reserved or too long.
        """
        if not (isinstance(self.name, str) and isinstance(self.level, str)):
            raise InvalidChannel(f"A channel's name and level must be text, not {self.name!r} and {self.level!r}.")
        name = public_name(self.name) if self.level == protocol.PUBLIC else private_name(self.name)
        if len(check_own_name(name)) > NAME_LENGTH:
            raise InvalidChannel(
                f"The name {name!r} has {len(name)} characters, including any leading $. It must have at most "
                f"{NAME_LENGTH}."
            )
        self.name = name

    def check_paths(self) -> None:
        """Validate the paths.

        Raises:
            InvalidChannel: the paths are invalid; the text says why.
        """
        if fault := declared.fault_of_paths(self.paths):
            raise InvalidChannel(f"channel {self.name!r}: {fault}")

    def clean(self) -> None:
        super().clean()
        if not self.name:  # the field reports that it is required
            return
        try:
            self.normalize()
        except InvalidChannel as error:
            raise ValidationError({"name": str(error)}) from error
        own = declared.find(self.name)
        if self.is_active and own is not None and own.level != self.level:
            text = _("%(setting)s in the settings declares %(name)s for another level. Use that level here, too.")
            raise ValidationError({"level": text % {"setting": own.setting, "name": self.name}})

    def save(
        self,
        *args: Any,
        update_fields: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Save the row under the name that its level requires.

        Raises:
            InvalidChannel: the name is not valid on the server, reserved or too long, or the paths are invalid.
            ValueError: a field holds an expression such as `F("level")`, and the row does not exist yet.
        """
        resolve(self, kwargs.get("using"))  # the checks below need values, not expressions
        fields = None if update_fields is None else set(update_fields)
        if fields is None or fields & {"name", "level"}:
            self.normalize()
            fields = fields and fields | {"name"}
        if fields is None or "paths" in fields:
            self.check_paths()
        super().save(*args, update_fields=fields, **kwargs)
