"""Users on the server: their ids, and the channel that each user has to itself, `$user.<id>`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..exceptions import InvalidChannel
from .names import personal_channel

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    User = AbstractBaseUser | AnonymousUser


def user_id(user: User) -> str:
    """Return what names `user` on the server: the pk as a string, "" for nobody (INSTANT_USER_ID may say username)."""
    if not user.is_authenticated:
        return ""
    return user.get_username() if conf.INSTANT_USER_ID == "username" else str(user.pk)


def user_of(request: HttpRequest) -> Any:
    """Return the request's user; without Django's auth middleware, everyone is a visitor."""
    if getattr(request, "user", None) is None:
        request.user = AnonymousUser()  # for all who are handed the request later
    return request.user


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
    for chunk in chunks(wanted, QUERY_SIZE):
        for user in model._default_manager.filter(**{f"{field}__in": chunk}):
            yield user_id(user), user


def _usernames(pks: Sequence[Any]) -> dict[str, str]:
    model = get_user_model()
    names: dict[str, str] = {}
    for chunk in chunks(pks, QUERY_SIZE):
        rows = model._default_manager.filter(pk__in=chunk).values_list("pk", model.USERNAME_FIELD)
        names.update((str(pk), name) for pk, name in rows)
    return names
