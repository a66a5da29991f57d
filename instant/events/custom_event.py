"""Event: an event that does not belong to a model."""

from __future__ import annotations

from typing import Any

from ..exceptions import InvalidEvent, PublishError
from ..producers import apublish, publish


class Event:
    """A named event: `Event("shop.sold-out", "Sold out").send("$shop", {"item": 5})`.

    Raises:
        InvalidEvent: the name is empty or not text.
    """

    def __init__(self, name: str, verbose_name: Any = "") -> None:
        if not isinstance(name, str) or not name:
            raise InvalidEvent(f"the name of an event must be non-empty text, not {name!r}")
        self.name, self.verbose_name = name, verbose_name

    def __repr__(self) -> str:
        return f"Event({self.name!r})"

    def send(self, channel: str, data: Any = None, *, on_commit: bool = True, **options: Any) -> PublishError | None:
        """Send the event when the open transaction commits, or at once without a transaction.

        `options` are those of publish().

        Raises:
            InvalidMessage, PublishError, InvalidSetting, TransactionManagementError, TypeError: as for
                `instant.publish`.
        """
        return publish(channel, **self._message(data), on_commit=on_commit, **options)

    async def asend(
        self, channel: str, data: Any = None, *, on_commit: bool = True, **options: Any
    ) -> PublishError | None:
        """Send the event as `send` does, on the running event loop."""
        return await apublish(channel, **self._message(data), on_commit=on_commit, **options)

    def _message(self, data: Any) -> dict[str, Any]:
        content = {
            "event": self.name,
            "operation": None,
            "verbose_name": str(self.verbose_name),
            "pk": None,
            "data": data,
            "changed": None,
        }
        return {"data": content, "event_class": self.name}
