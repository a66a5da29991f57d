"""Call: what goes through a queue, in the shape that df_websockets gave it, and Delay: when it is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

#: As `queue`: the functions without one, of a signal that has others as well.
NO_QUEUE: Final = ""


class Call(NamedTuple):
    """One call of a signal's functions, as JSON can hold it.

    `serialized_client_topics` are topics of windows that the signal is for, `to_server` tells whether Python functions
    are called: those of `queue`, or all where it is None.
    """

    name: str
    window_info: dict[str, Any]
    kwargs: dict[str, Any]
    from_client: bool = False
    serialized_client_topics: list[str] | None = None
    to_server: bool = False
    queue: str | None = None


class Delay(NamedTuple):
    """When a call is due: after so many seconds or at a moment; and until when it is worth doing."""

    countdown: float | None = None
    eta: datetime | None = None
    expires: float | datetime | None = None

    @property
    def is_later(self) -> bool:
        return self.countdown is not None or self.eta is not None
