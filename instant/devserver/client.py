"""One connection as the hub and the API see it: who it is, its subscriptions, what waits to be sent to it."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from instant.devserver import errors, wire_json
from instant.devserver.streams import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from instant.devserver.channel_options import ChannelRules
    from instant.devserver.config_options import ClientOptions
    from instant.devserver.hub import Hub
    from instant.devserver.subscription_grant import Grant

logger = logging.getLogger("instant.devserver")

#: The longest lifetime of a connection or subscription, in seconds. More is a mistake, such as milliseconds.
MAX_TTL = 365 * 24 * 3600


class Subscription:
    """A client in a channel."""

    def __init__(self, client: Client, channel: str, grant: Grant, *, server_side: bool) -> None:
        self.client, self.channel, self.grant, self.server_side = client, channel, grant, server_side
        self.push_join_leave = grant.push_join_leave
        self.info, self.expire_at = grant.info, grant.expire_at
        self.position = Position()
        #: Called when the client has left, for whatever reason.
        self.on_leave: Callable[[], object] | None = None

    def client_info(self) -> dict[str, Any]:
        """Return what other clients see of the client."""
        return wire_json.with_raw(self.client.public_info(), chan_info=self.info)

    def deliver(self, position: Position, frame: wire_json.Frame) -> None:
        """Send a publication, unless a positioned subscriber has it, or has missed one."""
        if self.grant.positioned and position.offset:
            if position.epoch != self.position.epoch or position.offset > self.position.offset + 1:
                self.lose_state()
                return
            if position.offset <= self.position.offset:
                return
            self.position = position
        self.client.send(frame)

    def lose_state(self) -> None:
        """Make the client subscribe anew, from its last position."""
        if self.server_side:
            self.client.close(errors.INSUFFICIENT_STATE)
        else:
            self.client.unsubscribe(self.channel, errors.INSUFFICIENT_SUBSCRIPTION)


class Client:
    """A connection without its transport: `outbox` and `closing` say what the transport has to do.

    `wake` is called whenever there is something new for it.
    """

    def __init__(
        self, hub: Hub[Client], rules: ChannelRules, options: ClientOptions, wake: Callable[[], None] = lambda: None
    ) -> None:
        self.hub, self.rules, self.options, self.wake = hub, rules, options, wake
        self.id = str(uuid.uuid4())
        self.user = ""
        self.info: Any = wire_json.MISSING
        self.meta: Any = wire_json.MISSING
        #: Those of the request that opened the connection.
        self.headers: Mapping[str, str] = {}
        self.authenticated = False
        self.subscriptions: dict[str, Subscription] = {}
        #: When the connection is closed as expired (3005), as Unix time.
        self.closes_at: float | None = None
        self.outbox: deque[wire_json.Frame] = deque()
        self.closing: errors.Disconnect | None = None
        self._waiting = 0

    def now(self) -> int:
        """Return Unix time in whole seconds, by which tokens expire."""
        return int(self.hub.clock())

    def public_info(self) -> dict[str, Any]:
        """Return what other clients see of the connection. The user of a visitor is "", as in Centrifugo."""
        return wire_json.with_raw({"user": self.user, "client": self.id}, conn_info=self.info)

    def info_in(self, channel: str) -> dict[str, Any]:
        """Return what a publication of this client in the channel carries."""
        subscription = self.subscriptions.get(channel)
        return subscription.client_info() if subscription else self.public_info()

    def send(self, frame: wire_json.Frame) -> None:
        """Queue a frame; a client that reads too slowly is closed with 3008."""
        if self.closing:
            return
        self.outbox.append(frame)
        self._waiting += frame.size
        if self._waiting > self.options.queue_max_size > 0:
            self.outbox.clear()
            self.close(errors.SLOW)
        self.wake()

    def take(self, count: int) -> list[wire_json.Frame]:
        """Return the next frames to send, at most `count`."""
        frames = [self.outbox.popleft() for _ in range(min(count, len(self.outbox)))]
        self._waiting -= sum(frame.size for frame in frames)
        return frames

    def reply(self, command_id: int, name: str, result: dict[str, Any]) -> None:
        """Answer a command, now or later."""
        self.send(wire_json.frame({"id": command_id, name: result}))

    def fail(self, command_id: int, error: errors.Error) -> None:
        """Answer a command with an error, now or later."""
        self.send(wire_json.frame({"id": command_id, "error": error.encoded()}))

    def push(self, name: str, body: dict[str, Any], channel: str = "") -> None:
        """Send a push, which is not a reply to a command."""
        self.send(wire_json.frame({"push": {**wire_json.filled(channel=channel), name: body}}))

    def log(self, message: str, **fields: object) -> None:
        """Log a refusal as the server does, at info."""
        details = " ".join(f"{name}={value!r}" for name, value in fields.items())
        logger.info("%s client=%s user=%r %s", message, self.id, self.user, details)

    def unsubscribe(self, channel: str, reason: errors.Unsubscribe) -> None:
        """Unsubscribe the client and notify it, whether it is subscribed or not (as Centrifugo does)."""
        self.leave(channel)
        self.push("unsubscribe", dict(reason._asdict()), channel)

    def leave(self, channel: str) -> None:
        """Remove the client from a channel if it is in it."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription:
            self.hub.unsubscribe(subscription)
            if subscription.on_leave:
                subscription.on_leave()

    def expire_in(self, ttl: int) -> None:
        """Close the connection after its lifetime and the grace that the config gives for a refresh."""
        self.closes_at = self.hub.clock() + ttl + self.options.expired_close_delay
        self.wake()

    def close(self, disconnect: errors.Disconnect) -> None:
        """End the connection once and leave all channels; queued frames go out before the close frame."""
        if self.closing:
            return
        self.closing = disconnect
        self.hub.remove(self)
        for channel in list(self.subscriptions):
            self.leave(channel)
        self.wake()
