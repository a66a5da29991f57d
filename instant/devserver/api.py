"""The methods of the devserver's HTTP API. `Api.call` receives a method's name and a body, and returns the reply."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from instant.devserver import errors, permissions, wire_json
from instant.devserver.channel_commands import since_of
from instant.devserver.client import MAX_TTL
from instant.devserver.connecting import VERSION
from instant.devserver.globs import compile_glob
from instant.devserver.streams import Position, Publication
from instant.devserver.subscribing import Request, join
from instant.devserver.subscription_grant import Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from instant.devserver.channel_options import ChannelRules
    from instant.devserver.client import Client
    from instant.devserver.config_options import ChannelOptions
    from instant.devserver.hub import Hub

Body = dict[str, Any]

# For this error the server API uses another text than the client protocol.
_NOT_FOUND = errors.METHOD_NOT_FOUND._replace(message="not found")


class UnknownMethodError(LookupError):
    """The API has no method of this name."""


class Api:
    """The server API of one hub."""

    def __init__(self, hub: Hub[Client], rules: ChannelRules) -> None:
        self._hub, self._rules = hub, rules
        self._started, self._uid = hub.clock(), str(uuid.uuid4())
        self._methods: dict[str, Callable[[Body], Body]] = {
            "publish": self._publish,
            "broadcast": self._broadcast,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "disconnect": self._disconnect,
            "history": self._history,
            "history_remove": self._history_remove,
            "presence": self._presence,
            "presence_stats": self._presence_stats,
            "info": self._info,
            "rpc": self._rpc,
            "refresh": self._refresh,
            "channels": self._channels,
        }

    def has(self, method: str) -> bool:
        """Return whether the API has a method of this name, other than `batch`."""
        return method in self._methods

    def call(self, method: str, body: Body) -> Body:
        """Run a method and return its reply. An error of the method is part of the reply.

        Raises:
            UnknownMethodError: there is no method of this name.
            MalformedError: a field of the body has a wrong type or is out of range.
        """
        if method == "batch":
            return wire_json.filled(replies=[self._command(command) for command in commands_of(body)])
        if method not in self._methods:
            raise UnknownMethodError(method)
        try:
            return {"result": self._methods[method](body)}
        except errors.ReplyError as error:
            return _failed(error.error)

    def _command(self, command: Body | None) -> Body:
        """Run one command of a batch and return its reply, which is not wrapped in `result`."""
        if command is None:
            return _failed(errors.BAD_REQUEST)
        method = next((name for name in self._methods if command.get(name) is not None), None)
        if method is None:
            return _failed(_NOT_FOUND)
        reply = self.call(method, wire_json.read_object(command, method) or {})
        return {method: reply["result"]} if "result" in reply else reply

    def _publish(self, body: Body) -> Body:
        return self._publish_to(_channel(body), body, _data(body))

    def _broadcast(self, body: Body) -> Body:
        channels, data = wire_json.read_strings(body, "channels"), _data(body)
        if not channels:
            raise errors.ReplyError(errors.BAD_REQUEST)
        return {"responses": [self._response(channel, body, data) for channel in channels]}

    def _response(self, channel: str, body: Body, data: Any) -> Body:
        try:
            return {"result": self._publish_to(_required(channel), body, data)}
        except errors.ReplyError as error:
            return _failed(error.error)

    def _publish_to(self, channel: str, body: Body, data: Any) -> Body:
        tags = wire_json.read_object(body, "tags") or {}
        wire_json.read_strings({"tags": list(tags.values())}, "tags")
        options = self._options(channel)
        if not options.takes_streams or not permissions.accepts(options, data):
            raise errors.ReplyError(errors.BAD_REQUEST)
        position = self._hub.publish(
            channel,
            Publication(None if data is wire_json.MISSING else data, tags=tags),
            options,
            keep=not wire_json.read(body, "skip_history", False),
            idempotency_key=wire_json.read(body, "idempotency_key", ""),
            version=wire_json.read_uint(body, "version"),
            version_epoch=wire_json.read(body, "version_epoch", ""),
        )
        return position.encoded()

    def _subscribe(self, body: Body) -> Body:
        channel = _channel(body)
        try:
            expire_at = wire_json.read(body, "expire_at", 0)
            grant = Grant.from_request(self._options(channel), body, "api", expire_at=expire_at)
        except wire_json.MalformedError:
            raise
        except ValueError as error:
            raise errors.ReplyError(errors.BAD_REQUEST) from error
        since = since_of(body, "recover_since")
        request = Request(channel, recover=since is not None, since=since or Position())
        for client in self._targets(body):
            self._subscribe_client(client, request, grant)
        return {}

    def _subscribe_client(self, client: Client, request: Request, grant: Grant) -> None:
        if 0 < client.options.channel_limit <= len(client.subscriptions):
            client.close(errors.CHANNEL_LIMIT)
            return
        try:
            # As in Centrifugo, a client that is already subscribed is subscribed again.
            result, subscription = join(client, request, grant, server_side=True)
        except errors.ReplyError as error:
            raise errors.ReplyError(errors.INTERNAL) from error
        sent = ("recoverable", "positioned", "epoch", "offset", "data")
        push = {name: result[name] for name in sent if name in result}
        client.push("subscribe", push, request.channel)
        self._hub.announce(subscription)

    def _unsubscribe(self, body: Body) -> Body:
        channel = wire_json.read(body, "channel", "")
        if channel:
            self._options(channel)
        for client in self._targets(body):
            client.unsubscribe(channel, errors.SERVER_UNSUBSCRIBED)
        return {}

    def _disconnect(self, body: Body) -> Body:
        asked, kept = wire_json.read_object(body, "disconnect"), wire_json.read_strings(body, "whitelist")
        disconnect = errors.FORCED
        if asked is not None:
            code = wire_json.read_uint(asked, "code", wire_json.UINT32)
            disconnect = errors.Disconnect(code, wire_json.read(asked, "reason", ""))
        for client in self._targets(body):
            if client.id not in kept:
                client.close(disconnect)
        return {}

    def _refresh(self, body: Body) -> Body:
        expired, expire_at = wire_json.read(body, "expired", False), wire_json.read(body, "expire_at", 0)
        info = wire_json.read_raw(body, "info")
        for client in self._targets(body):
            ttl = min(expire_at - client.now(), MAX_TTL) if expire_at > 0 else 0
            if expired or (expire_at > 0 and ttl <= 0):
                client.close(errors.CONNECTION_EXPIRED)
                continue
            client.closes_at = None
            if ttl:
                client.info = client.info if info is wire_json.MISSING else info
                client.expire_in(ttl)
            client.push("refresh", wire_json.filled(expires=ttl > 0, ttl=ttl))
        return {}

    def _history(self, body: Body) -> Body:
        channel = _channel(body)
        options = self._with_history(channel)
        limit, reverse = wire_json.read(body, "limit", 0), wire_json.read(body, "reverse", False)
        since = since_of(body)
        if reverse and since is not None and since.offset == 0:
            raise errors.ReplyError(errors.INTERNAL)
        publications, top = self._hub.history(channel, options.history_meta_ttl, limit, since, reverse=reverse)
        return {"publications": [item._replace(epoch="").encoded() for item in publications], **top._asdict()}

    def _history_remove(self, body: Body) -> Body:
        channel = _channel(body)
        self._with_history(channel)
        self._hub.remove_history(channel)
        return {}

    def _presence(self, body: Body) -> Body:
        return {"presence": self._hub.presence(self._with_presence(body))}

    def _presence_stats(self, body: Body) -> Body:
        return {"num_clients": 0, "num_users": 0, **self._hub.presence_stats(self._with_presence(body))}

    def _channels(self, body: Body) -> Body:
        pattern = wire_json.read(body, "pattern", "")
        try:
            wanted = compile_glob(pattern or "*")
        except ValueError as error:
            raise errors.ReplyError(errors.INTERNAL) from error
        found = ((name, count) for name, count in self._hub.channels() if wanted.fullmatch(name))
        return {"channels": {name: {"num_clients": count} for name, count in found}}

    def _info(self, _: Body) -> Body:
        node: Body = {"uid": self._uid, "name": "devserver", "version": VERSION, **self._hub.numbers()}
        node["uptime"] = int(self._hub.clock() - self._started)
        return {"nodes": [node]}

    def _rpc(self, body: Body) -> Body:
        raise errors.ReplyError(_NOT_FOUND if wire_json.read(body, "method", "") else errors.BAD_REQUEST)

    def _options(self, channel: str) -> ChannelOptions:
        options = self._rules.options(channel)
        if options is None:
            raise errors.ReplyError(errors.UNKNOWN_CHANNEL)
        return options

    def _with_history(self, channel: str) -> ChannelOptions:
        options = self._options(channel)
        if not options.has_history:
            raise errors.ReplyError(errors.NOT_AVAILABLE)
        return options

    def _with_presence(self, body: Body) -> str:
        channel = _channel(body)
        if not self._options(channel).presence:
            raise errors.ReplyError(errors.NOT_AVAILABLE)
        return channel

    def _targets(self, body: Body) -> list[Client]:
        """Return the connections that a command addresses. Without a user: all anonymous ones, as in Centrifugo."""
        only, session = wire_json.read(body, "client", ""), wire_json.read(body, "session", "")
        # WebSocket connections have no session ids.
        clients = [] if session else self._hub.clients_of(wire_json.read(body, "user", ""))
        return [client for client in clients if not only or client.id == only]


def commands_of(body: Body) -> list[Body | None]:
    """Return the commands of a batch.

    Raises:
        MalformedError: `commands` is not a list of objects.
    """
    commands: list[Any] = wire_json.read(body, "commands", [])
    if not all(command is None or isinstance(command, dict) for command in commands):
        raise wire_json.MalformedError("a command must be an object")
    return commands


def _failed(error: errors.Error) -> Body:
    return {"error": {"code": error.code, "message": error.message}}


def _channel(body: Body) -> str:
    return _required(wire_json.read(body, "channel", ""))


def _required(channel: str) -> str:
    if not channel:
        raise errors.ReplyError(errors.BAD_REQUEST)
    return channel


def _data(body: Body) -> Any:
    try:
        return wire_json.read_bytes(body, "data")
    except wire_json.MalformedError:
        raise
    except ValueError as error:
        raise errors.ReplyError(errors.BAD_REQUEST) from error
