"""All channels of the server: their subscriptions, history and presence."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from instant.devserver import errors, wire_json
from instant.devserver.streams import Position, Publication, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instant.devserver.config_options import ChannelOptions
    from instant.devserver.subscription_grant import Grant

#: Seconds for which a message with the same idempotency key is not published again in the same channel.
IDEMPOTENT_SECONDS: Final = 300
_SWEEP_SECONDS: Final = 60


class Connection(Protocol):
    """The part of a client that the hub uses."""

    id: str
    user: str

    def send(self, frame: wire_json.Frame) -> None: ...


class Subscriber(Protocol):
    """The part of a subscription that the hub uses."""

    channel: str
    grant: Grant
    push_join_leave: bool

    @property
    def client(self) -> Connection: ...
    def client_info(self) -> dict[str, Any]: ...
    def deliver(self, position: Position, frame: wire_json.Frame) -> None: ...


_C = TypeVar("_C", bound=Connection)


class Hub(Generic[_C]):
    """Connects clients and channels. `clock` returns Unix time in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.clients: dict[str, _C] = {}
        self._users: dict[str, dict[str, _C]] = {}
        self._subscribers: dict[str, dict[str, Subscriber]] = {}
        self._presence: dict[str, dict[str, dict[str, Any]]] = {}
        self._streams: dict[str, Stream] = {}
        self._results: OrderedDict[tuple[str, str], tuple[float, Position]] = OrderedDict()
        self._swept_at = clock()

    def add(self, client: _C) -> None:
        """Register a connected client."""
        self.clients[client.id] = client
        self._users.setdefault(client.user, {})[client.id] = client

    def remove(self, client: _C) -> None:
        """Remove a client. Its subscriptions are ended by the caller."""
        if self.clients.pop(client.id, None):
            _discard(self._users, client.user, client.id)

    def clients_of(self, user: str) -> list[_C]:
        """Return the connections of a user. The user "" stands for all anonymous connections."""
        return list(self._users.get(user, {}).values())

    def subscribe(self, subscription: Subscriber) -> None:
        """Deliver the channel's publications to a subscription, and add its client to the presence."""
        client = subscription.client
        self._subscribers.setdefault(subscription.channel, {})[client.id] = subscription
        if subscription.grant.presence:
            self._presence.setdefault(subscription.channel, {})[client.id] = subscription.client_info()

    def announce(self, subscription: Subscriber) -> None:
        """Send the join message of a new subscription to the channel, including the subscription itself."""
        if subscription.grant.join_leave:
            self._push_info(subscription, "join")

    def unsubscribe(self, subscription: Subscriber) -> None:
        """Remove a subscription from its channel and send its leave message to the others."""
        channel, client_id = subscription.channel, subscription.client.id
        _discard(self._subscribers, channel, client_id)
        _discard(self._presence, channel, client_id)
        if subscription.grant.join_leave:
            self._push_info(subscription, "leave")

    def publish(
        self,
        channel: str,
        publication: Publication,
        options: ChannelOptions,
        *,
        keep: bool = True,
        idempotency_key: str = "",
        version: int = 0,
        version_epoch: str = "",
    ) -> Position:
        """Send a publication to all subscribers and return its position, which is (0, "") without history.

        For a repeated idempotency key or an old version, return the position without publishing.
        """
        known = self._known_result(channel, idempotency_key)
        if known is not None:
            return known
        position = Position()
        if keep and options.has_history:
            stream = self._stream(channel, options.history_meta_ttl)
            if stream.knows_version(version, version_epoch):
                return stream.position
            publication = stream.add(publication, options, self.clock(), version, version_epoch)
            position = stream.position
        if idempotency_key:
            self._results[channel, idempotency_key] = (self.clock() + IDEMPOTENT_SECONDS, position)
        self._deliver(channel, publication, position)
        return position

    def history(
        self,
        channel: str,
        meta_ttl: float,
        limit: int = 0,
        since: Position | None = None,
        *,
        reverse: bool = False,
    ) -> tuple[list[Publication], Position]:
        """Return publications and the latest position of the channel.

        Reading creates a missing stream, so that the position is stable. The stream is kept for `meta_ttl` seconds.
        `limit` is the maximum number of publications.

        Raises:
            ReplyError: 112 for a position of another epoch, 107 for reading backwards from offset 0.
        """
        if reverse and since is not None and since.offset == 0:
            raise errors.ReplyError(errors.BAD_REQUEST)
        stream = self._stream(channel, meta_ttl)
        if since is not None and since.epoch not in ("", stream.epoch):
            raise errors.ReplyError(errors.UNRECOVERABLE_POSITION)
        offset = None if since is None else since.offset
        return stream.read(offset, limit, reverse=reverse), stream.position

    def remove_history(self, channel: str) -> None:
        """Delete the publications of a channel, and keep its position."""
        if channel in self._streams:
            self._streams[channel].clear()

    def presence(self, channel: str) -> dict[str, dict[str, Any]]:
        """Return the clients that are present in a channel, as a dict from client ids to their information."""
        return self._presence.get(channel, {})

    def presence_stats(self, channel: str) -> dict[str, Any]:
        """Return the numbers of clients and users that are present in a channel."""
        present = self.presence(channel).values()
        users = {info.get("user", "") for info in present}
        return wire_json.filled(num_clients=len(present), num_users=len(users))

    def channels(self) -> Iterable[tuple[str, int]]:
        """Return each channel that has subscribers, with their number."""
        return ((channel, len(subscribers)) for channel, subscribers in self._subscribers.items())

    def numbers(self) -> dict[str, int]:
        """Return the numbers of clients, users, channels and subscriptions."""
        return {
            "num_clients": len(self.clients),
            "num_users": len(self._users),
            "num_channels": len(self._subscribers),
            "num_subs": sum(map(len, self._subscribers.values())),
        }

    def _deliver(self, channel: str, publication: Publication, position: Position) -> None:
        subscribers = self._subscribers.get(channel)
        if subscribers:
            frame = wire_json.frame({"push": {"channel": channel, "pub": publication.encoded()}})
            # A subscriber that is closed as slow leaves the channel during this loop.
            for subscription in list(subscribers.values()):
                subscription.deliver(position, frame)

    def _push_info(self, subscription: Subscriber, kind: str) -> None:
        subscribers = self._subscribers.get(subscription.channel, {})
        listeners = [other for other in subscribers.values() if other.push_join_leave]
        if listeners:
            body = {kind: {"info": subscription.client_info()}}
            frame = wire_json.frame({"push": {"channel": subscription.channel, **body}})
            for listener in listeners:
                listener.client.send(frame)

    def _stream(self, channel: str, meta_ttl: float) -> Stream:
        now = self.clock()
        stream = self._streams.get(channel)
        if stream is None or now >= stream.removed_at:
            self._sweep(now)
            stream = self._streams[channel] = Stream()
        stream.touch(now, meta_ttl)
        return stream

    def _sweep(self, now: float) -> None:
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            self._streams = {name: item for name, item in self._streams.items() if now < item.removed_at}

    def _known_result(self, channel: str, key: str) -> Position | None:
        now = self.clock()
        while self._results and next(iter(self._results.values()))[0] <= now:
            self._results.popitem(last=False)
        return self._results[channel, key][1] if key and (channel, key) in self._results else None


def _discard(groups: dict[str, dict[str, Any]], group: str, member: str) -> None:
    """Remove a member, and its group if it was the last one."""
    members = groups.get(group)
    if members is not None:
        members.pop(member, None)
        if not members:
            del groups[group]
