"""Every error that django-instant raises on purpose.

InstantError
├── InvalidMessage (ValueError)            a message that cannot be sent: no channel, no content, NaN, a wrong name
│   ├── InvalidChannel                     the channel's name breaks the server's rules
│   └── TooLarge                           the payload is larger than the limit
├── InvalidSetting (ImproperlyConfigured)  a setting has a wrong value; the text names it
│   └── InvalidBackend                     INSTANT_BROADCAST_WITH names no backend
├── InvalidEvent (ImproperlyConfigured)    a class of model events is wrong; the text names it
├── InvalidSignal (ImproperlyConfigured)   a function cannot be connected to a signal; the text names it
├── InvalidHandler (ImproperlyConfigured)  a class cannot handle sockets; the text names it
├── InvalidTopic (ValueError)              a value cannot be a topic of windows, or there are too many topics
├── NotQueued                              a call could not be queued in Celery
├── PublishError                           a publish failed: .channel, .backend, .retryable, the cause in __cause__
│   ├── Unreachable                        no answer from the server: refused, reset, timed out, or an HTTP error
│   ├── Rejected                           the server refused: .code of its API, or 401 for a wrong key
│   └── PublishManyError                   some of many messages failed: .failed, .sent
├── ServerError                            another call of the server API failed: .code, .retryable
│   └── PresenceUnavailable                presence is off for the channel; the text says which option to set
├── Deny                                   raised by a function that a browser calls: the browser gets .code and .reason
├── Disconnect                             raised by such a function: the browser's connection is closed
├── SocketClosed                           in a test: a handler has closed its socket; .code and .reason
├── ServerNotFound                         there is no server binary to run
├── ServerFailed                           the server did not start, or refused its config
└── InstallError                           installws could not install the server
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Sequence


class InstantError(Exception):
    """The base class of all errors of django-instant."""


class InvalidMessage(InstantError, ValueError):
    """The message cannot be sent."""


class InvalidChannel(InvalidMessage):
    """The server would refuse the channel's name, or nobody could ever join the channel."""


class TooLarge(InvalidMessage):
    """The payload is larger than `protocol.MAX_PAYLOAD_BYTES`. The server would disconnect its subscribers."""


class InvalidSetting(InstantError, ImproperlyConfigured):
    """A setting has a wrong value."""


class InvalidBackend(InvalidSetting):
    """INSTANT_BROADCAST_WITH names no usable backend."""


class InvalidEvent(InstantError, ImproperlyConfigured):
    """A class of model events is declared wrongly."""


class InvalidSignal(InstantError, ImproperlyConfigured):
    """The function cannot be connected to a signal."""


class InvalidHandler(InstantError, ImproperlyConfigured):
    """The class cannot handle sockets."""


class InvalidTopic(InstantError, ValueError):
    """The value cannot be a topic of windows, or there are too many topics."""


class NotQueued(InstantError):
    """The call of a signal could not be queued in Celery."""


class PublishError(InstantError):
    """The message could not be published.

    `retryable` says whether the same call may succeed later (the server is down or overloaded) or never (wrong key,
    unknown namespace). The cause is in `__cause__`.
    """

    # pickle and Celery's JSON serializer recreate the error from `args`, which holds the positional arguments.
    def __init__(self, reason: str, channel: str, backend: str, retryable: bool) -> None:
        self.reason, self.channel, self.backend, self.retryable = reason, channel, backend, retryable
        super().__init__(reason, channel, backend, retryable)

    def __str__(self) -> str:
        again = "a retry may help" if self.retryable else "a retry will not help"
        return f"publish to {self.channel!r} with the {self.backend} backend failed: {self.reason} ({again})"


class Unreachable(PublishError):
    """The server gave no usable answer."""


class Rejected(PublishError):
    """The server answered with the API error `code`. The code is 401 if the server has another API key than Django."""

    def __init__(self, reason: str, channel: str, backend: str, retryable: bool, code: int) -> None:
        super().__init__(reason, channel, backend, retryable)
        self.code = code
        self.args = (*self.args, code)


class PublishManyError(PublishError):
    """Some messages of one `publish_many()` failed.

    `failed` holds (index, error) pairs; `sent` holds the indexes of the messages that the server accepted.
    """

    def __init__(self, failed: Sequence[tuple[int, PublishError]], sent: Sequence[int], backend: str) -> None:
        self.failed, self.sent = list(failed), list(sent)
        first = self.failed[0][1]
        super().__init__(
            f"{len(self.failed)} of {len(self.failed) + len(self.sent)} messages failed, the first one: {first.reason}",
            first.channel,
            backend,
            any(error.retryable for _, error in self.failed),
        )
        self.args = (self.failed, self.sent, backend)


class ServerError(InstantError):
    """A call of the server API, other than a publish, failed. `code` is 0 if the server gave no answer."""

    def __init__(self, reason: str, code: int = 0, retryable: bool = False) -> None:
        self.reason, self.code, self.retryable = reason, code, retryable
        super().__init__(reason, code, retryable)

    def __str__(self) -> str:
        return self.reason


class PresenceUnavailable(ServerError):
    """The namespace of the channel has presence switched off."""


class Deny(InstantError):
    """Refuse a call from a browser. The browser receives the code, from 400 to 1999, and the reason."""

    def __init__(self, code: int = 403, reason: str = "permission denied") -> None:
        self.code, self.reason = code, reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"


class Disconnect(InstantError):
    """Close the connection of the browser that calls.

    After codes from 4000 to 4499 the browser reconnects. After codes from 4500 to 4999 it does not. The reason is sent
    as up to 32 ASCII characters.
    """

    def __init__(self, code: int = 4500, reason: str = "closed") -> None:
        self.code, self.reason = code, reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"


class SocketClosed(InstantError):
    """The handler has closed its socket. `SocketCommunicator` raises this in tests."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"the socket is closed: {self.code} {self.reason}".rstrip()


class ServerNotFound(InstantError):
    """There is no server binary at the expected place."""


class ServerFailed(InstantError):
    """The server refused its config or did not start."""


class InstallError(InstantError):
    """`installws` could not install the server. No partial installation is left."""
