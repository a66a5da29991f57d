"""The fingerprint of a user's rights. It reveals changes that send no signal, such as those of `QuerySet.update()`.

It is in a connection token's `meta`, in a page's signed window, and in the tokens of the page's topics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group, Permission
from django.db.models import IntegerField, QuerySet, Value

from ..keyed_hash import keyed

if TYPE_CHECKING:
    from django.db.models import Model

    from ..channels.user_ids import User

FLAGS = ("is_active", "is_staff", "is_superuser")
#: The key in the `meta` of a connection token.
RIGHTS = "rights"
#: The key in the `info` of the tokens of a page's channels.
SHOWN_RIGHTS = "r"
#: The number of hex digits of a fingerprint that other clients may see.
_SHORT = 12


def rights_fingerprint(user: User) -> str:
    """Return a keyed hash of the user's flags, groups, permissions and password, or "" for a visitor.

    This makes one query. The fingerprint does not cover other data that a rule or a view reads.
    """
    if not user.is_authenticated:
        return ""
    flags = [int(bool(getattr(user, name, name == "is_active"))) for name in FLAGS]
    password = getattr(user, "get_session_auth_hash", str)()
    return keyed("rights", repr((str(user.pk), flags, _groups_and_permissions(user), password)))


def shown_rights(fingerprint: str) -> str:
    """Return the short form of a fingerprint, which other clients may see in subscriptions to a page's topics."""
    return keyed("shown.rights", fingerprint)[:_SHORT] if fingerprint else ""


def _groups_and_permissions(user: Any) -> list[tuple[int, int]]:
    """Return the sorted pairs of a primary key and a number that says what it belongs to. This makes one query."""
    parts: list[QuerySet[Any, Any]] = []
    for field in getattr(getattr(user, "_meta", None), "many_to_many", ()):
        rows = field.remote_field.through._default_manager.filter(**{field.m2m_field_name(): user.pk}).order_by()
        if _leads_to(field, Permission):
            parts.append(_numbered(rows, 2, field.m2m_reverse_field_name()))
        if _leads_to(field, Group):
            groups = rows.values(f"{field.m2m_reverse_field_name()}_id")
            parts.append(_numbered(rows, 0, field.m2m_reverse_field_name()))
            permissions = Group.permissions.through._default_manager.filter(group_id__in=groups)
            parts.append(_numbered(permissions, 1, "permission"))
    return sorted(parts[0].union(*parts[1:])) if parts else []


def _numbered(rows: QuerySet[Any, Any], number: int, field: str) -> QuerySet[Any, Any]:
    return rows.values_list(Value(number, output_field=IntegerField()), f"{field}_id")


def _leads_to(field: Any, model: type[Model]) -> bool:
    return isinstance(field.related_model, type) and issubclass(field.related_model, model)
