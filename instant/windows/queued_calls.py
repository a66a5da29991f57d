"""Call: a queued call of a signal, in the format of df_websockets. Delay: when a call runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

#: A value of `Call.queue`: run only the functions without a queue, for a signal that also has others.
NO_QUEUE: Final = ""


class Call(NamedTuple):
    """A call of a signal's functions, as JSON-serializable data.

    `serialized_client_topics` are the topics of the target windows. `to_server` says whether Python functions are
    called: those with this `queue`, or all if `queue` is None.
    """

    name: str
    window_info: dict[str, Any]
    kwargs: dict[str, Any]
    from_client: bool = False
    serialized_client_topics: list[str] | None = None
    to_server: bool = False
    queue: str | None = None


class Delay(NamedTuple):
    """When a call runs, after `countdown` seconds or at `eta`, and when it expires: in seconds or at a time."""

    countdown: float | None = None
    eta: datetime | None = None
    expires: float | datetime | None = None

    @property
    def is_later(self) -> bool:
        return self.countdown is not None or self.eta is not None
