"""Call: the content of a queue, in the format of df_websockets, and Delay: when it is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

#: As `queue`: only the functions without a queue, of a signal that has others as well.
NO_QUEUE: Final = ""


class Call(NamedTuple):
    """A call of a signal's functions, as JSON-serializable data.

    `serialized_client_topics` are the topics of the target windows. `to_server` says whether Python functions are
    called: those of `queue`, or all if it is None.
    """

    name: str
    window_info: dict[str, Any]
    kwargs: dict[str, Any]
    from_client: bool = False
    serialized_client_topics: list[str] | None = None
    to_server: bool = False
    queue: str | None = None


class Delay(NamedTuple):
    """When a call is due: after a number of seconds or at a time; and when it expires."""

    countdown: float | None = None
    eta: datetime | None = None
    expires: float | datetime | None = None

    @property
    def is_later(self) -> bool:
        return self.countdown is not None or self.eta is not None
