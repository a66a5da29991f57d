"""A hostile client of strict channels: it keeps connections and tokens in reserve, and tries all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from typing import Any

from websockets.exceptions import WebSocketException

from .measuring import FEW_AT_ONCE, Connection, Site, Victim

#: Connections of the user that have not joined, and for which tokens are fetched until the end of the right.
IN_RESERVE = 2


class StrictVictim(Victim):
    """A user whose channels are strict: each connection asks for its own tokens."""

    def credentials(self, connection: Connection | None = None) -> dict[str, Any]:
        content = {"client": connection.client} if connection else {}
        asked = {"channels": [self.channel], **content}
        found: dict[str, Any] = self.site.post(self.browser, "instant/get_token", **asked).json()
        return found

    def join(self) -> Connection:
        """Connect, and subscribe with a token that is fetched for the connection."""
        connection = self.connect()
        try:
            self.subscribe(connection, self.credentials(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def subscribe(self, connection: Connection, credentials: dict[str, Any]) -> None:
        """Subscribe with the token that these credentials have; a refusal is a `ValueError`."""
        found = [each.get("token", "") for each in credentials["channels"] if each["name"] == self.channel]
        connection.ask("subscribe", {"channel": self.channel, "token": found[0] if found else ""})

    def hostile(self, watch_for: float) -> float:
        with ExitStack() as closing:
            reserve = [self.connect() for _ in range(IN_RESERVE)]
            for connection in reserve:
                closing.callback(connection.close)
            with FEW_AT_ONCE:
                tokens = [self.credentials(connection) for connection in (*reserve, self.connection)]
                session = self.browser.cookies.copy()  # type: ignore[no-untyped-call]
                ended = self.end()
                self.browser.cookies = session  # who changes the password gets another session, and may be in
            ways = [
                *(partial(self._from_reserve, *each) for each in zip(reserve, tokens, strict=False)),
                *(partial(self._with_old_token, each) for each in tokens),
                self.join,
            ]
            return self._watched(ended, watch_for, cycle(ways))

    def _watched(self, ended: float, watch_for: float, ways: Iterator[Callable[[], Connection]]) -> float:
        """Return how many seconds after `ended` the client was in for the last time, coming back in these ways."""
        last = 0.0
        connection: Connection | None = self.connection
        while time.time() - ended < watch_for:
            if connection:
                while not connection.is_out(self.channel, 0.05) and time.time() - ended < watch_for:
                    pass
                last = time.time() - ended
                connection.close()
            try:
                connection = next(ways)()
            except (ValueError, OSError, WebSocketException, TimeoutError):
                connection = None
                time.sleep(0.1)  # many of them at once must not be what slows the site down
        return last

    def _from_reserve(self, connection: Connection, credentials: dict[str, Any]) -> Connection:
        self.subscribe(connection, credentials)
        return connection

    def _with_old_token(self, credentials: dict[str, Any]) -> Connection:
        connection = self.connect()
        try:
            self.subscribe(connection, credentials)
        except BaseException:
            connection.close()
            raise
        return connection


def victim_of(site: Site, cause: str, **options: Any) -> Victim:
    """Return a victim of this cause, on this site."""
    return (StrictVictim if site.is_strict else Victim)(site, cause, **options)
