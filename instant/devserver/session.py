"""The protocol of one client, without I/O: it receives text and queues replies and pushes.

A transport calls `receive()` for each frame, and `tick()` at the time that `deadline()` returns. It sends what
`client.take()` returns, and closes when `client.closing` is set. `client.wake` is called when one of these may have
changed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from instant.devserver import channel_commands, connecting, errors, wire_json
from instant.devserver.client import Client
from instant.devserver.subscribing import Request, subscribe
from instant.devserver.tokens import TokenReader

if TYPE_CHECKING:
    from instant.devserver.channel_options import ChannelRules
    from instant.devserver.client import Subscription
    from instant.devserver.config import Config
    from instant.devserver.config_options import ClientOptions
    from instant.devserver.hub import Hub
    from instant.devserver.stream_proxy import Streams

#: Answers an rpc command. It is called with the client, the command's id, its method and its data (raw JSON or
#: `wire_json.MISSING`). It calls `client.reply(id, "rpc", {...})` or `client.fail(id, error)`, now or later.
RpcHandler = Callable[[Client, int, str, Any], None]

#: Seconds after which a client is dropped if its connect command failed. SDKs disconnect at once.
UNUSABLE_SECONDS = 5.0

_SIMPLE = {
    "unsubscribe": channel_commands.unsubscribe,
    "publish": channel_commands.publish,
    "presence": channel_commands.presence,
    "presence_stats": channel_commands.presence_stats,
    "history": channel_commands.history,
}
# The order in which Centrifugo looks for a command's name.
_NAMES = ("connect", "subscribe", *_SIMPLE, "rpc", "send", "refresh", "sub_refresh")


class Session:
    """The protocol of one connection.

    Times are in seconds and come from the hub's clock. `jitter` returns a number from 0 to 1.
    """

    def __init__(
        self,
        hub: Hub[Client],
        rules: ChannelRules,
        config: Config,
        *,
        rpc: RpcHandler | None = None,
        streams: Streams | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.client = Client(hub, rules, config.client)
        self._options, self._clock, self._rpc, self._jitter = config.client, hub.clock, rpc, jitter
        self._streams = streams
        self.take_keys(rules, config.client)
        self._unusable = False
        self._stale_at: float | None = self._after(self._options.stale_close_delay)
        self._ping_at: float | None = None
        self._pong_until: float | None = None
        self._check_at: float | None = None
        self._pong_owed = False

    def take_keys(self, rules: ChannelRules, options: ClientOptions) -> None:
        """Verify tokens with the keys of these options from now on."""
        self._reader = self._tokens(rules, options.token)
        own_keys = options.subscription_token
        self._subscription_reader = self._tokens(rules, own_keys) if own_keys.enabled else self._reader

    def receive(self, text: str) -> None:
        """Handle one WebSocket message, which has one command per line."""
        lines = text.removesuffix("\n").split("\n")
        for line in lines:
            if self.client.closing or self._unusable:
                return
            try:
                self._handle(wire_json.decode(line))
            except wire_json.MalformedError as error:
                self.client.log(f"error reading command: {error}")
                self.client.close(errors.CLOSED_BAD_REQUEST)

    def deadline(self) -> float | None:
        """Return the Unix time at which `tick()` has something to do, or None if there is nothing to do."""
        if self.client.closing:
            return None
        times = (self._stale_at, self._ping_at, self._pong_until, self._check_at, self.client.closes_at)
        return min((at for at in times if at is not None), default=None)

    def tick(self) -> None:
        """Send a ping that is due, and close the connection if it is stale, without a pong, or expired."""
        now = self._clock()
        if _due(self._stale_at, now):
            self.client.close(errors.DROPPED if self._unusable else errors.STALE)
        elif _due(self._pong_until, now):
            self._pong_until = None
            if self._pong_owed:
                self.client.close(errors.NO_PONG)
        elif _due(self.client.closes_at, now):
            self.client.close(errors.CONNECTION_EXPIRED)
        if _due(self._ping_at, now):
            self._ping()
        if _due(self._check_at, now):
            self._check_at = self._after(self._options.presence_update_interval)
            self._check_expiry()

    def lost(self) -> None:
        """Close the session, because its transport has closed."""
        self.client.close(errors.DROPPED)

    def _handle(self, command: Any) -> None:
        if not isinstance(command, dict):
            raise wire_json.MalformedError("a command must be an object")
        command_id = wire_json.read_uint(command, "id", wire_json.UINT32)
        bodies = ((name, wire_json.read_object(command, name)) for name in _NAMES)
        name, body = next(((name, body) for name, body in bodies if body is not None), ("", {}))
        if not self.client.authenticated and name != "connect":
            self.client.close(errors.CLOSED_BAD_REQUEST)
        elif command_id == 0 and name != "send":
            self._pong()
        else:
            self._run(command_id, name, body or {})

    def _run(self, command_id: int, name: str, body: Mapping[str, Any]) -> None:
        try:
            self._dispatch(command_id, name, body)
        except errors.CloseError as error:
            self.client.log("disconnect after handling command", command=name, reason=error.disconnect.reason)
            self.client.close(error.disconnect)
        except errors.ReplyError as error:
            if name == "connect":
                self._mark_unusable()
            self.client.fail(command_id, error.error)

    def _dispatch(self, command_id: int, name: str, body: Mapping[str, Any]) -> None:
        if name == "publish" and self._streams and self._streams.publish(self.client, body):
            self.client.reply(command_id, name, {})
        elif name in _SIMPLE:
            self.client.reply(command_id, name, _SIMPLE[name](self.client, body))
        elif name == "connect":
            self._connect(command_id, body)
        elif name == "subscribe":
            self._subscribe(command_id, Request.read(body))
        elif name == "refresh":
            self.client.reply(command_id, name, connecting.refresh(self.client, self._reader, body))
        elif name == "sub_refresh":
            result = connecting.sub_refresh(self.client, self._subscription_reader, body)
            self.client.reply(command_id, name, result)
        elif name == "rpc":
            self._call(command_id, body)
        else:
            raise errors.CloseError(errors.CLOSED_NOT_AVAILABLE if name == "send" else errors.CLOSED_BAD_REQUEST)

    def _subscribe(self, command_id: int, request: Request) -> None:
        if self._streams and self._streams.takes(self.client, request):
            self._streams.open(self.client, command_id, request)
            return
        result, joined = subscribe(self.client, self._subscription_reader, request)
        self._reply_and_announce(command_id, "subscribe", result, [joined])

    def _connect(self, command_id: int, body: Mapping[str, Any]) -> None:
        result, joined = connecting.connect(self.client, self._reader, body)
        self._stale_at = None
        interval = self._options.ping_interval
        if interval > 0:
            # Random, so that clients that connected at the same time are not pinged at the same time.
            self._ping_at = self._after(interval * (1 + self._jitter()) / 2)
        self._check_at = self._after(self._options.presence_update_interval * (1 + self._jitter()) / 2)
        self._reply_and_announce(command_id, "connect", result, joined)

    def _reply_and_announce(
        self, command_id: int, name: str, result: dict[str, Any], joined: list[Subscription]
    ) -> None:
        self.client.reply(command_id, name, result)
        for subscription in joined:
            self.client.hub.announce(subscription)

    def _call(self, command_id: int, body: Mapping[str, Any]) -> None:
        if self._rpc is None:
            raise errors.ReplyError(errors.NOT_AVAILABLE)
        self._rpc(self.client, command_id, wire_json.read(body, "method", ""), wire_json.read_raw(body, "data"))

    def _mark_unusable(self) -> None:
        self._unusable = True
        self.client.closes_at = None
        self._stale_at = self._after(UNUSABLE_SECONDS)

    def _ping(self) -> None:
        self.client.send(wire_json.frame({}))
        self._pong_owed = True
        self._ping_at = self._after(self._options.ping_interval)
        if self._options.pong_timeout > 0:
            self._pong_until = self._after(self._options.pong_timeout)

    def _pong(self) -> None:
        if not self._pong_owed:
            self.client.close(errors.CLOSED_BAD_REQUEST)
        self._pong_owed = False

    def _check_expiry(self) -> None:
        """End expired subscriptions. As in Centrifugo, this is checked only every `presence_update_interval`."""
        late = self.client.now() - int(self._options.expired_sub_close_delay)
        for subscription in list(self.client.subscriptions.values()):
            if not 0 < subscription.expire_at < late:
                continue
            if subscription.server_side:
                self.client.close(errors.CLOSED_SUBSCRIPTION_EXPIRED)
                return
            self.client.unsubscribe(subscription.channel, errors.SUBSCRIPTION_EXPIRED)

    def _tokens(self, rules: ChannelRules, options: Any) -> TokenReader:
        skip = self._options.insecure_skip_token_signature_verify
        return TokenReader(options, rules, skip_signature=skip, clock=self._clock)

    def _after(self, seconds: float) -> float:
        return self._clock() + seconds


def _due(at: float | None, now: float) -> bool:
    return at is not None and now >= at
