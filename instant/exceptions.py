"""Every error that django-instant raises on purpose.

InstantError
├── InvalidMessage (ValueError)            a message that must not be sent: no channel, no content, NaN, a bad name
│   ├── InvalidChannel                     the channel's name breaks the server's rules
│   └── TooLarge                           the payload is larger than a client may be sent
├── InvalidSetting (ImproperlyConfigured)  a setting has a wrong value; the text names it
│   └── InvalidBackend                     INSTANT_BROADCAST_WITH names no backend
├── InvalidEvent (ImproperlyConfigured)    a class of model events is wrong; the text names it
├── InvalidSignal (ImproperlyConfigured)   a function cannot be connected to a signal; the text names it
├── InvalidHandler (ImproperlyConfigured)  a class cannot handle sockets; the text names it
├── InvalidTopic (ValueError)              what cannot be a topic of windows, or too many of them
├── NotQueued                              a call could not be handed to Celery
├── PublishError                           a publish failed: .channel, .backend, .retryable, the cause in __cause__
│   ├── Unreachable                        no answer of the server: refused, reset, timed out, or an HTTP error
│   ├── Rejected                           the server said no: .code of its API, or 401 for a wrong key
│   └── PublishManyError                   some of many failed: .failed, .sent
├── ServerError                            another call of the server's API failed: .code, .retryable
│   └── PresenceUnavailable                the channel's options keep no presence; the text says which to set
├── Deny                                   raised by a function that a browser calls: .code and .reason are its answer
├── Disconnect                             raised by one: the caller's connection is closed
├── SocketClosed                           in a test: a handler has closed its socket, .code and .reason
├── ServerNotFound                         no server binary to run
├── ServerFailed                           the server did not start, or its config was refused
└── InstallError                           installws could not install the server
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Sequence


class InstantError(Exception):
    """Base of all errors of django-instant."""


class InvalidMessage(InstantError, ValueError):
    """A message that must not be sent."""


class InvalidChannel(InvalidMessage):
    """A channel name that the server would refuse or that nobody could ever join."""


class TooLarge(InvalidMessage):
    """A payload larger than `protocol.MAX_PAYLOAD_BYTES`: the server would close its readers."""


class InvalidSetting(InstantError, ImproperlyConfigured):
    """A setting has a wrong value."""


class InvalidBackend(InvalidSetting):
    """INSTANT_BROADCAST_WITH names no usable backend."""


class InvalidEvent(InstantError, ImproperlyConfigured):
    """A class of model events is wrong."""


class InvalidSignal(InstantError, ImproperlyConfigured):
    """A function that cannot be connected to a signal."""


class InvalidHandler(InstantError, ImproperlyConfigured):
    """A class that cannot handle sockets."""


class InvalidTopic(InstantError, ValueError):
    """What cannot be a topic of windows."""


class NotQueued(InstantError):
    """A call of a signal could not be handed to Celery."""


class PublishError(InstantError):
    """A message could not be published.

    `retryable` tells whether the same call may succeed later (server away, overloaded) or never (bad key, unknown
    namespace). The cause is in `__cause__`.
    """

    # What is given by position is in `args`, of which pickle and Celery's JSON make the error again.
    def __init__(self, reason: str, channel: str, backend: str, retryable: bool) -> None:
        self.reason, self.channel, self.backend, self.retryable = reason, channel, backend, retryable
        super().__init__(reason, channel, backend, retryable)

    def __str__(self) -> str:
        again = "a retry may help" if self.retryable else "a retry will not help"
        return f"publish to {self.channel!r} with the {self.backend} backend failed: {self.reason} ({again})"


class Unreachable(PublishError):
    """The server gave no usable answer."""


class Rejected(PublishError):
    """The server answered with the API error `code`, or with 401: it has another key."""

    def __init__(self, reason: str, channel: str, backend: str, retryable: bool, code: int) -> None:
        super().__init__(reason, channel, backend, retryable)
        self.code = code
        self.args = (*self.args, code)


class PublishManyError(PublishError):
    """Some messages of one publish_many() failed.

    `failed` holds (index, error) pairs, `sent` the indexes that the server took.
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
    """A call of the server's API, other than a publish, failed. `code` is 0 where the server gave no answer."""

    def __init__(self, reason: str, code: int = 0, retryable: bool = False) -> None:
        self.reason, self.code, self.retryable = reason, code, retryable
        super().__init__(reason, code, retryable)

    def __str__(self) -> str:
        return self.reason


class PresenceUnavailable(ServerError):
    """The options of the channel's namespace keep no presence."""


class Deny(InstantError):
    """Refuse a call from a browser, which is told the code, from 400 to 1999, and the reason."""

    def __init__(self, code: int = 403, reason: str = "permission denied") -> None:
        self.code, self.reason = code, reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"


class Disconnect(InstantError):
    """Close the connection of a browser that calls: it comes back after codes from 4000 on, but not from 4500 on.

    The reason is told in 32 characters of ASCII.
    """

    def __init__(self, code: int = 4500, reason: str = "closed") -> None:
        self.code, self.reason = code, reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"


class SocketClosed(InstantError):
    """A handler has closed its socket: what `SocketCommunicator` tells a test."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"the socket is closed: {self.code} {self.reason}".rstrip()


class ServerNotFound(InstantError):
    """There is no server binary where one was asked for."""


class ServerFailed(InstantError):
    """The server refused its config or did not come up."""


class InstallError(InstantError):
    """installws could not install the server; nothing half-done is left."""
