"""Users on the server: their ids, and their personal channels, `$user.<pk>`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..exceptions import InvalidChannel
from ..protocol import TENANT_BOUNDARY
from .names import personal_channel

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    User = AbstractBaseUser | AnonymousUser

#: The key of the tenant in the `meta` of a connection token. Centrifugo sends it with calls and sockets, also for
#: visitors.
TENANT = "tenant"
#: SQLite raises OverflowError for other integers.
_DATABASE_INTEGERS = range(-(2**63), 2**63)


def user_id(user: User) -> str:
    """Return the user's id in Centrifugo (the `sub` claim): the pk as text, or "" for a visitor.

    With `INSTANT_USER_ID = "username"` it is the username. With INSTANT_TENANT the tenant comes first: "acme/5".

    Raises:
        InvalidSetting: a setting has a wrong value.
    """
    if not user.is_authenticated:
        return ""
    own = user.get_username() if conf.INSTANT_USER_ID == "username" else str(user.pk)
    return user_on_server(own)


def user_on_server(user: str) -> str:
    """Return the id on the server for the id of a user in this site: "5" → "acme/5". The id of visitors is ""."""
    return f"{conf.tenant}{TENANT_BOUNDARY}{user}" if user and conf.INSTANT_TENANT else user


def user_in_site(user: str) -> str | None:
    """Return the id in this site for the id of a user on the server. Return None for another tenant's user."""
    if not user or not conf.INSTANT_TENANT:
        return user
    owner, boundary, own = user.partition(TENANT_BOUNDARY)
    return own if boundary and owner == conf.tenant else None


def user_of(request: HttpRequest) -> Any:
    """Return the request's user. Without Django's authentication middleware, every user is a visitor."""
    if getattr(request, "user", None) is None:
        request.user = AnonymousUser()  # for code that reads request.user later
    return request.user


def identity(user: User) -> dict[str, str]:
    """Return the part of a connection token's `meta` that identifies `user`. Centrifugo sends it only to Django.

    With INSTANT_TENANT it contains the tenant, because a visitor's id does not. With INSTANT_USER_ID = "username" it
    contains the pk, because a username may be used again after its user is deleted or renamed.
    """
    bound = {TENANT: conf.tenant} if conf.INSTANT_TENANT else {}
    return {**bound, "pk": str(user.pk)} if conf.INSTANT_USER_ID == "username" and user.is_authenticated else bound


def user_named(sub: str, meta: Mapping[str, Any]) -> Any:
    """Return the user of a connection.

    `sub` is the user's id on the server, and `meta` is what Django signed into the connection token. Return None if the
    user no longer exists. With INSTANT_USER_ID = "username", return None also if the token was issued to an earlier
    user of the same name, or under an earlier name.
    """
    if conf.INSTANT_USER_ID != "username":
        return next((user for _, user in users_named([sub])), None)
    pk = meta.get("pk")
    if not isinstance(pk, str):
        return None
    try:
        user = get_user_model()._default_manager.filter(pk=pk).first()
    except (ValueError, ValidationError):
        return None
    return user if user is not None and user_id(user) == sub else None


def user_channel(user: User) -> str:
    """Return the name of this user's personal channel. All pages of the user receive what is published to it.

    The name contains the pk, even if INSTANT_USER_ID is "username". So another user who gets the same username later
    does not get the same channel.

    Raises:
        InvalidChannel: the user is a visitor, who has no personal channel.
    """
    if not user.is_authenticated:
        raise InvalidChannel("visitors who are not logged in have no personal channel")
    return personal_channel(str(user.pk))


def user_channels(users: Iterable[Any]) -> list[tuple[Any, str]]:
    """Return each of these users, or primary keys, with its personal channel. Visitors are left out.

    Raises:
        TypeError: `users` is a string, a queryset of another model, or contains an object that is not a user.
    """
    if isinstance(users, str | bytes):
        raise TypeError(f"users must be a list or a queryset, not {users!r}")
    if isinstance(users, QuerySet) and not issubclass(users.model, get_user_model()):
        raise TypeError(f"users must be a queryset of users, not of {users.model.__name__}")
    found = []
    for user in users:
        if not hasattr(user, "is_authenticated"):
            if user is None or isinstance(user, Model):
                raise TypeError(f"users must contain users or their primary keys, not {user!r}")
            found.append((user, personal_channel(str(user))))
        elif user.is_authenticated:
            found.append((user, user_channel(user)))
    return found


def users_named(subs: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield each of these ids with its user. Users who do not exist are left out."""
    model = get_user_model()
    field = model.USERNAME_FIELD if conf.INSTANT_USER_ID == "username" else "pk"
    wanted = []
    for own in filter(None, map(user_in_site, subs)):
        try:
            value = model._meta.pk.to_python(own) if field == "pk" else own
        except ValidationError:
            continue
        if not isinstance(value, int) or value in _DATABASE_INTEGERS:
            wanted.append(own)
    for chunk in chunks(wanted, QUERY_SIZE):
        for user in model._default_manager.filter(**{f"{field}__in": chunk}):
            yield user_id(user), user
