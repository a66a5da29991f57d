"""`publish(…, exclude=…)`: tags by which the page that caused a message ignores it.

In each request, our client sends a header with the ids of its recent connections. Anybody can forge this header. The
tags therefore also hold the user, whom Django has authenticated, and a client ignores a message only if both match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from .channels.user_ids import user_id, user_in_site
from .protocol import MAX_SENDER_IDS, SENDER_HEADER, TAG_CLIENT, TAG_USER

_IDS = re.compile(rf"[0-9a-f-]{{36}}(?:,[0-9a-f-]{{36}}){{0,{MAX_SENDER_IDS - 1}}}")
#: Separates the ids from the user, whose name may contain any character.
_BOUNDARY = "@"


class HasHeaders(Protocol):
    """A request of Django or of another framework. Its attribute `user`, if it has one, is the sender."""

    @property
    def headers(self) -> Mapping[str, str]: ...


def sender(request: HasHeaders) -> str:
    """Return the sender of `request` as text, for `publish(…, exclude=…)` in a Celery task or another process.

    Return "" if the request names no client: the page has no JavaScript of ours, or an old version of it.
    """
    ids = clients_of(request)
    if not ids:
        return ""
    user = getattr(request, "user", None)
    return f"{ids}{_BOUNDARY}{user_in_site(user_id(user)) if user is not None else ''}"


def clients_of(request: HasHeaders) -> str:
    """Return the ids in the header of `request`, or "" if the header is missing or malformed."""
    ids = str(request.headers.get(SENDER_HEADER) or "").replace(" ", "")
    return ids if _IDS.fullmatch(ids) else ""


def tags_of(exclude: Any) -> dict[str, str] | None:
    """Return the tags for `exclude`: a request, the text of `sender()`, or a client's id. Return None for nobody.

    Raises:
        TypeError: `exclude` is none of these.
    """
    if exclude is None:
        return None
    if not isinstance(exclude, str):
        if not hasattr(exclude, "headers"):
            raise TypeError(f"exclude must be a request, the text of instant.sender(), or a client's id: {exclude!r}")
        exclude = sender(exclude)
    ids, has_user, user = exclude.partition(_BOUNDARY)
    if not _IDS.fullmatch(ids):
        return None
    return {TAG_USER: user, TAG_CLIENT: ids} if has_user else {TAG_CLIENT: ids}
