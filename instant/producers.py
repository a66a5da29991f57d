"""Publishing: `publish()`, `publish_many()`, `publish_to_users()` and their async variants."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, overload

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS

from .backends import get_backend
from .channels.declared import default_channel
from .channels.user_ids import user_channels
from .exceptions import InvalidMessage, PublishError
from .exclude import tags_of
from .messages import Message
from .on_commit import awaited_connection
from .sending import collect_messages, finish

if TYPE_CHECKING:
    from typing_extensions import Unpack

_TOO_MANY = (
    "publish() takes a channel and a message as positional arguments, and the rest by keyword: "
    'publish("$users", "Hello", data={"n": 1}, event_class="info", bucket="news")'
)
_KEYS = frozenset({"channel", "channels", "message", "data", "event_class", "bucket", "site"})


class _Options(TypedDict, total=False):
    event_class: str | None
    bucket: str | None
    site: str | None
    exclude: Any
    on_commit: bool
    fail_silently: bool
    timeout: float | None
    wait: bool
    using: str | None


class _Delivery(NamedTuple):
    """How messages are sent: the arguments of publish(). With `many`, one error reports all failures."""

    on_commit: bool
    fail_silently: bool
    timeout: float | None
    wait: bool
    using: str | None
    many: bool = False


@overload
def publish(channel: str, message: str, /, *, data: Any = None, **options: Unpack[_Options]) -> PublishError | None: ...
@overload
def publish(
    channel: str, /, *, message: str | None = None, data: Any = None, **options: Unpack[_Options]
) -> PublishError | None: ...
@overload
def publish(message: str, /, *, channel: str, data: Any = None, **options: Unpack[_Options]) -> PublishError | None: ...
@overload
def publish(
    *, channel: str, message: str | None = None, data: Any = None, **options: Unpack[_Options]
) -> PublishError | None: ...
def publish(
    *args: str,
    channel: str | None = None,
    message: str | None = None,
    data: Any = None,
    event_class: str | None = None,
    bucket: str | None = None,
    site: str | None = None,
    exclude: Any = None,
    on_commit: bool = False,
    fail_silently: bool = False,
    timeout: float | None = None,
    wait: bool = False,
    using: str | None = None,
) -> PublishError | None:
    """Publish a message, data or both to a channel: `publish("$users", "Hello", data={"n": 1})`.

    A single positional argument is the channel; with `channel=` it is the message, as in version 0.1. `data` is
    anything that DjangoJSONEncoder accepts.

    With `on_commit`, the message is sent when the open transaction of the database `using` (by default the default
    database) commits, and never if it rolls back. Errors are then logged, because there is no caller to catch them.

    `timeout` is in seconds, retries included; the default is INSTANT_PUBLISH_TIMEOUT. With `fail_silently`, a failure
    is logged and returned. `wait` makes the backends "thread" and "go", which return before the server has replied,
    wait for its reply. `exclude` leaves out the page that sent a request: pass the request, the text of
    `instant.sender(request)`, or a client's id.

    Raises:
        InvalidMessage: (a ValueError) no channel, neither message nor data, or a name or data that cannot be sent.
        PublishError: the server was not reached (Unreachable), or refused the message (Rejected).
        InvalidSetting: a setting is wrong, such as INSTANT_BROADCAST_WITH (InvalidBackend).
        TransactionManagementError: `on_commit` without `using`, and only another database has an open transaction.
        TypeError: more than two positional arguments, an argument given twice, a wrong `exclude`, or `using` without
            `on_commit`.
    """
    channel, message = _channel_and_message(args, channel, message)
    item = Message(channel, message, data, event_class, bucket, site)
    if exclude is not None:
        item.tags = tags_of(exclude)
    return _deliver([item], _Delivery(on_commit, fail_silently, timeout, wait, using))


@overload
async def apublish(
    channel: str, message: str, /, *, data: Any = None, **options: Unpack[_Options]
) -> PublishError | None: ...
@overload
async def apublish(
    channel: str, /, *, message: str | None = None, data: Any = None, **options: Unpack[_Options]
) -> PublishError | None: ...
@overload
async def apublish(
    message: str, /, *, channel: str, data: Any = None, **options: Unpack[_Options]
) -> PublishError | None: ...
@overload
async def apublish(
    *, channel: str, message: str | None = None, data: Any = None, **options: Unpack[_Options]
) -> PublishError | None: ...
async def apublish(
    *args: str,
    channel: str | None = None,
    message: str | None = None,
    data: Any = None,
    event_class: str | None = None,
    bucket: str | None = None,
    site: str | None = None,
    exclude: Any = None,
    on_commit: bool = False,
    fail_silently: bool = False,
    timeout: float | None = None,
    wait: bool = False,
    using: str | None = None,
) -> PublishError | None:
    """Do the same as `publish`, on the running event loop. It raises the same errors."""
    channel, message = _channel_and_message(args, channel, message)
    item = Message(channel, message, data, event_class, bucket, site)
    if exclude is not None:
        item.tags = tags_of(exclude)
    return await _adeliver([item], _Delivery(on_commit, fail_silently, timeout, wait, using))


def publish_many(
    items: Iterable[Message | Mapping[str, Any]],
    *,
    on_commit: bool = False,
    fail_silently: bool = False,
    timeout: float | None = None,
    wait: bool = False,
    using: str | None = None,
) -> PublishError | None:
    """Publish many messages in order, in as few requests as the server allows.

    Each item is a `Message`, or a mapping of the arguments of publish() (channel, message, data, event_class, bucket,
    site, exclude). With `channels`, a list of names, one message goes to all of them in one broadcast, and a page that
    has joined several of them gets it once. All items are validated before the first is sent. `timeout` is in seconds,
    for all messages together.

    Raises:
        InvalidMessage: an item cannot be sent; nothing was sent.
        PublishManyError: some failed: `.failed` has (index, error) pairs, `.sent` the indexes of the others.
        InvalidSetting, TransactionManagementError: as `publish`.
        TypeError: a wrong `exclude`, or `using` without `on_commit`.
    """
    return _deliver(_messages(items), _Delivery(on_commit, fail_silently, timeout, wait, using, many=True))


async def apublish_many(
    items: Iterable[Message | Mapping[str, Any]],
    *,
    on_commit: bool = False,
    fail_silently: bool = False,
    timeout: float | None = None,
    wait: bool = False,
    using: str | None = None,
) -> PublishError | None:
    """Do the same as `publish_many`, on the running event loop. It raises the same errors."""
    return await _adeliver(_messages(items), _Delivery(on_commit, fail_silently, timeout, wait, using, many=True))


def publish_to_users(users: Iterable[Any], message: str | None = None, **options: Any) -> PublishError | None:
    """Publish one message to the personal channels of these users (objects or pks, a list or a queryset), in one
    broadcast.

    The options are those of `publish`. Without users, nothing is sent. Visitors have no personal channel.

    Raises:
        PublishManyError: some failed, as in `publish_many`.
        InvalidMessage, InvalidSetting, TransactionManagementError, TypeError: as `publish_many`.
    """
    how = {name: options.pop(name) for name in _Delivery._fields if name in options}
    names = [name for _, name in user_channels(users)]
    return publish_many([{"channels": names, "message": message, **options}], **how) if names else None


def _channel_and_message(args: tuple[str, ...], channel: str | None, message: str | None) -> tuple[str, str | None]:
    if len(args) > 2:
        raise TypeError(f"{_TOO_MANY}; it got {len(args)} positional arguments")
    if len(args) == 2 and (channel is not None or message is not None):
        raise TypeError(f"{_TOO_MANY}; it got the channel or the message twice")
    if len(args) == 2:
        channel, message = args
    elif len(args) == 1 and channel is None:
        (channel,) = args
    elif len(args) == 1:
        if message is not None:
            raise TypeError(f"{_TOO_MANY}; it got the message twice")
        (message,) = args
    if channel is None and (channel := _default_channel()) is None:
        raise InvalidMessage(f"publish() got no channel. {_TOO_MANY}")
    return channel, message


def _default_channel() -> str | None:
    """Return the default channel with a warning, or None if it is off. Two of our functions called this one."""
    name = default_channel()
    if name is not None:
        text = f"The default channel for messages without a channel is deprecated: pass {name!r} to publish()."
        warnings.warn(text, DeprecationWarning, stacklevel=4)
    return name


def _messages(items: Iterable[Message | Mapping[str, Any]]) -> list[Message]:
    messages = []
    for index, item in enumerate(items):
        if isinstance(item, Message):
            messages.append(item)
            continue
        content = item if _KEYS.issuperset(item) else _tagged(index, item)
        if "channel" not in content and "channels" not in content:
            if (default := _default_channel()) is None:
                raise InvalidMessage(f"Item {index} of publish_many() has no channel. Pass channel or channels.")
            messages.append(Message(channel=default, **content))
        elif "channel" in content and "channels" in content:
            raise InvalidMessage(f"Item {index} of publish_many() has both channel and channels. Pass one of them.")
        elif "channel" in content:
            messages.append(Message(**content))
        else:
            messages += _copies(index, **content)
    return messages


def _tagged(index: int, item: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := ", ".join(sorted(set(item) - _KEYS - {"exclude"})):
        raise InvalidMessage(f"Item {index} of publish_many() has unknown keys: {unknown}")
    return {"tags": tags_of(item["exclude"]), **{key: item[key] for key in item if key != "exclude"}}


def _copies(index: int, channels: Iterable[str], **content: Any) -> Iterator[Message]:
    """Yield one message for each channel, without duplicates."""
    if isinstance(channels, str):
        raise InvalidMessage(f"Item {index} of publish_many(): channels must be a list of names, not {channels!r}.")
    first: Message | None = None
    for channel in dict.fromkeys(channels):
        first = first.to(channel) if first else Message(channel, **content)
        yield first


def flush(timeout: float | None = None) -> bool:
    """Wait until everything that this process has sent is answered. Return whether it was, within `timeout` seconds.

    Backends that confirm each message have nothing to wait for.

    Raises:
        InvalidSetting: as `publish`.
    """
    return get_backend().flush(timeout)


def _deliver(messages: Sequence[Message], how: _Delivery) -> PublishError | None:
    if how.using is not None and not how.on_commit:
        raise TypeError(f"using={how.using!r} requires on_commit=True: it names the database whose commit to wait for.")
    backend = get_backend()
    own = backend.database()
    if how.on_commit and (own is None or own != how.using):
        connection = awaited_connection(how.using, default=own or DEFAULT_DB_ALIAS)
        if connection is not None and connection.alias != own:
            collect_messages(connection, messages, how.timeout)
            return None
    return finish(backend.send(messages, how.timeout, how.wait), how.fail_silently, how.many)


async def _adeliver(messages: Sequence[Message], how: _Delivery) -> PublishError | None:
    if how.on_commit or how.using is not None:  # only Django's own thread has the open transaction
        return await sync_to_async(_deliver)(messages, how)
    receipts = await get_backend().asend(messages, how.timeout, how.wait)
    return finish(receipts, how.fail_silently, how.many)
