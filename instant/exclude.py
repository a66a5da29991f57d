"""Not to the sender: who a message comes from, and the tags by which that page leaves it out.

Our client names the ids that its connections have had in this page in a header of each request. Anybody can write such
a header: so the user, of whom Django is sure, stands beside it, and a client leaves out only what has both its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from .channels.user_ids import user_id, user_in_site
from .protocol import MAX_SENDER_IDS, SENDER_HEADER, TAG_CLIENT, TAG_USER

_IDS = re.compile(rf"[0-9a-f-]{{36}}(?:,[0-9a-f-]{{36}}){{0,{MAX_SENDER_IDS - 1}}}")
#: Between the ids and the user, who may have any name.
_BOUNDARY = "@"


class HasHeaders(Protocol):
    """A request, of Django or of any other framework; where it has a `user`, that is the sender."""

    @property
    def headers(self) -> Mapping[str, str]: ...


def sender(request: HasHeaders) -> str:
    """Return who sends `request`, as text for `publish(…, exclude=…)` later: in a Celery task, or another process.

    "" where the request names no client: of a page without our JavaScript, or an old one.
    """
    ids = clients_of(request)
    if not ids:
        return ""
    user = getattr(request, "user", None)
    return f"{ids}{_BOUNDARY}{user_in_site(user_id(user)) if user is not None else ''}"


def clients_of(request: HasHeaders) -> str:
    """Return the ids that the header of `request` names, "" where there are none, or it is no such header."""
    ids = str(request.headers.get(SENDER_HEADER) or "").replace(" ", "")
    return ids if _IDS.fullmatch(ids) else ""


def tags_of(exclude: Any) -> dict[str, str] | None:
    """Return the tags for `exclude`: a request, the text of `sender()`, or a client's id; None for nobody.

    Raises:
        TypeError: it is none of them.
    """
    if exclude is None:
        return None
    if not isinstance(exclude, str):
        if not hasattr(exclude, "headers"):
            raise TypeError(f"exclude is a request, the text of instant.sender(), or a client's id, not {exclude!r}")
        exclude = sender(exclude)
    ids, has_user, user = exclude.partition(_BOUNDARY)
    if not _IDS.fullmatch(ids):
        return None
    return {TAG_USER: user, TAG_CLIENT: ids} if has_user else {TAG_CLIENT: ids}
