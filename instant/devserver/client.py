"""A connection as the hub and the API see it: its user, its subscriptions and its outgoing frames."""

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

#: Maximum lifetime of a connection or subscription, in seconds. A longer one is a mistake, such as milliseconds.
MAX_TTL = 365 * 24 * 3600


class Subscription:
    """The subscription of one client to one channel."""

    def __init__(self, client: Client, channel: str, grant: Grant, *, server_side: bool) -> None:
        self.client, self.channel, self.grant, self.server_side = client, channel, grant, server_side
        self.push_join_leave = grant.push_join_leave
        self.info, self.expire_at = grant.info, grant.expire_at
        self.position = Position()
        #: Called when the client leaves the channel, for any reason.
        self.on_leave: Callable[[], object] | None = None

    def client_info(self) -> dict[str, Any]:
        """Return the information about the client that other subscribers see."""
        return wire_json.with_raw(self.client.public_info(), chan_info=self.info)

    def deliver(self, position: Position, frame: wire_json.Frame) -> None:
        """Send a publication to the client.

        A subscription with positioning skips a publication that the client already has. If one is missing in between,
        the client has to subscribe again.
        """
        if self.grant.positioned and position.offset:
            if position.epoch != self.position.epoch or position.offset > self.position.offset + 1:
                self.lose_state()
                return
            if position.offset <= self.position.offset:
                return
            self.position = position
        self.client.send(frame)

    def lose_state(self) -> None:
        """Make the client subscribe again and recover from its last position."""
        if self.server_side:
            self.client.close(errors.INSUFFICIENT_STATE)
        else:
            self.client.unsubscribe(self.channel, errors.INSUFFICIENT_SUBSCRIPTION)


class Client:
    """A connection without its transport. The transport sends `outbox` and closes the connection when `closing` is set.

    `wake` is called when one of them changes, or the time at which the connection expires.
    """

    def __init__(
        self, hub: Hub[Client], rules: ChannelRules, options: ClientOptions, wake: Callable[[], None] = lambda: None
    ) -> None:
        self.hub, self.rules, self.options, self.wake = hub, rules, options, wake
        self.id = str(uuid.uuid4())
        self.user = ""
        self.info: Any = wire_json.MISSING
        self.meta: Any = wire_json.MISSING
        #: Headers of the HTTP request that opened the connection.
        self.headers: Mapping[str, str] = {}
        self.authenticated = False
        self.subscriptions: dict[str, Subscription] = {}
        #: Unix time at which the connection is closed as expired (3005).
        self.closes_at: float | None = None
        self.outbox: deque[wire_json.Frame] = deque()
        self.closing: errors.Disconnect | None = None
        self._waiting = 0

    def now(self) -> int:
        """Return the current Unix time in whole seconds."""
        return int(self.hub.clock())

    def public_info(self) -> dict[str, Any]:
        """Return the information about the connection that other clients see. For visitors, `user` is "", as in
        Centrifugo.
        """
        return wire_json.with_raw({"user": self.user, "client": self.id}, conn_info=self.info)

    def info_in(self, channel: str) -> dict[str, Any]:
        """Return the information about this client for its publications in the channel."""
        subscription = self.subscriptions.get(channel)
        return subscription.client_info() if subscription else self.public_info()

    def send(self, frame: wire_json.Frame) -> None:
        """Queue a frame. Close the client with 3008 ("slow") if the queue exceeds `client.queue_max_size` bytes."""
        if self.closing:
            return
        self.outbox.append(frame)
        self._waiting += frame.size
        if self._waiting > self.options.queue_max_size > 0:
            self.outbox.clear()
            self.close(errors.SLOW)
        self.wake()

    def take(self, count: int) -> list[wire_json.Frame]:
        """Remove and return the next frames of the queue, at most `count`."""
        frames = [self.outbox.popleft() for _ in range(min(count, len(self.outbox)))]
        self._waiting -= sum(frame.size for frame in frames)
        return frames

    def reply(self, command_id: int, name: str, result: dict[str, Any]) -> None:
        """Send the result of a command. It may be sent later than other replies."""
        self.send(wire_json.frame({"id": command_id, name: result}))

    def fail(self, command_id: int, error: errors.Error) -> None:
        """Send the error of a command. It may be sent later than other replies."""
        self.send(wire_json.frame({"id": command_id, "error": error.encoded()}))

    def push(self, name: str, body: dict[str, Any], channel: str = "") -> None:
        """Send a push: a message that is not a reply to a command."""
        self.send(wire_json.frame({"push": {**wire_json.filled(channel=channel), name: body}}))

    def log(self, message: str, **fields: object) -> None:
        """Log why a command was refused, at level INFO, as Centrifugo does."""
        details = " ".join(f"{name}={value!r}" for name, value in fields.items())
        logger.info("%s client=%s user=%r %s", message, self.id, self.user, details)

    def unsubscribe(self, channel: str, reason: errors.Unsubscribe) -> None:
        """Unsubscribe the client and notify it. As in Centrifugo, it is also notified if it was not subscribed."""
        self.leave(channel)
        self.push("unsubscribe", dict(reason._asdict()), channel)

    def leave(self, channel: str) -> None:
        """End the client's subscription to a channel, if there is one."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription:
            self.hub.unsubscribe(subscription)
            if subscription.on_leave:
                subscription.on_leave()

    def expire_in(self, ttl: int) -> None:
        """Close the connection in `ttl` seconds plus `client.expired_close_delay`, unless its token is refreshed."""
        self.closes_at = self.hub.clock() + ttl + self.options.expired_close_delay
        self.wake()

    def close(self, disconnect: errors.Disconnect) -> None:
        """Close the connection and end its subscriptions. Frames in the queue are sent before the close frame."""
        if self.closing:
            return
        self.closing = disconnect
        self.hub.remove(self)
        for channel in list(self.subscriptions):
            self.leave(channel)
        self.wake()
