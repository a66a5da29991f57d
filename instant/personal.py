"""The channel that each user has to itself: `$user.<id>`, without a namespace, so that every server has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from .channels import personal_channel
from .conf import conf
from .exceptions import InvalidChannel
from .token import user_id

if TYPE_CHECKING:
    from .token import User

#: Ids in one query: SQLite took no more than 999 once.
_CHUNK = 500


def user_channel(user: User) -> str:
    """Return the name of the channel that is this user's own: publish to it, and all pages of the user hear it.

    Raises:
        InvalidChannel: visitors who are not logged in have none.
    """
    sub = user_id(user)
    if not sub:
        raise InvalidChannel("visitors who are not logged in have no channel of their own")
    return personal_channel(sub)


def subs_of(users: Iterable[Any]) -> list[tuple[Any, str]]:
    """Return each of these users, or pks, with what names it on the server; one that does not exist is left out
    where INSTANT_USER_ID is "username"."""
    if isinstance(users, str | bytes):
        raise TypeError(f"users are a list, or a queryset, not {users!r}")
    if isinstance(users, QuerySet) and not issubclass(users.model, get_user_model()):
        raise TypeError(f"a queryset of users, not of {users.model.__name__}")
    given = list(users)
    pks = [user for user in given if not hasattr(user, "is_authenticated")]
    for pk in pks:
        if pk is None or isinstance(pk, Model):
            raise TypeError(f"a user or its pk, not {pk!r}")
    names = _usernames(pks) if conf.INSTANT_USER_ID == "username" and pks else {str(pk): str(pk) for pk in pks}
    found = [(user, user_id(user) if hasattr(user, "is_authenticated") else names.get(str(user), "")) for user in given]
    return [(user, sub) for user, sub in found if sub]


def users_named(subs: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Give each of those whom the server names so with its user; who does not exist, or no longer, is left out."""
    model = get_user_model()
    field = model.USERNAME_FIELD if conf.INSTANT_USER_ID == "username" else "pk"
    wanted = []
    for sub in subs:
        try:
            model._meta.pk.to_python(sub) if field == "pk" else sub
        except ValidationError:
            continue
        wanted.append(sub)
    for chunk in _chunks(wanted):
        for user in model._default_manager.filter(**{f"{field}__in": chunk}):
            yield user_id(user), user


def _usernames(pks: Sequence[Any]) -> dict[str, str]:
    model = get_user_model()
    names: dict[str, str] = {}
    for chunk in _chunks(pks):
        rows = model._default_manager.filter(pk__in=chunk).values_list("pk", model.USERNAME_FIELD)
        names.update((str(pk), name) for pk, name in rows)
    return names


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
