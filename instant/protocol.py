"""Names and limits of the wire protocol, shared by Python, TypeScript and Go.

`make front` generates `frontend/src/core/protocol.ts` from this module; `tests/test_protocol.py` checks that it is up
to date. Facts about the server come from Centrifugo v6.9 (defaults of `client.*` and `channel.*`).
"""

from typing import Final

# Keys of a payload, in the order in which they are written. CHANNEL is present in "string" payloads only.
CHANNEL: Final = "channel"
SITE: Final = "site"
UID: Final = "uid"
TIMESTAMP: Final = "timestamp"
MESSAGE: Final = "message"
DATA: Final = "data"
EVENT_CLASS: Final = "event_class"
BUCKET: Final = "bucket"

# Levels of a channel: who may join.
PUBLIC: Final = "public"
USERS: Final = "users"
GROUPS: Final = "groups"
STAFF: Final = "staff"
SUPERUSER: Final = "superuser"
# Levels of channels that are in no table: a user's personal channel, and channels that a rule grants.
PERSONAL: Final = "user"
RULE: Final = "rule"
#: The level of the topics of one page (see `instant.windows`).
PAGE: Final = "page"

PRIVATE_PREFIX: Final = "$"
NAMESPACE_BOUNDARY: Final = ":"
#: Separates the tenant from the rest, in names of channels and ids of users on the server.
TENANT_BOUNDARY: Final = "/"
#: Namespace of WebSocketHandler streams; no channel or rule may use it.
SOCKETS_NAMESPACE: Final = "ws"
#: Namespace of the channels of pages. If windows are in use, no other channel may be in it.
PAGES_NAMESPACE: Final = "page"
#: The allowed names of namespaces, as a regular expression.
NAMESPACE_PATTERN: Final = "[-a-zA-Z0-9_.]{2,}"
#: The prefix of personal channels. No other channel may begin with it.
PERSONAL_PREFIX: Final = "$user."
#: The prefix of the default channels of model events; the event's name follows.
EVENTS_PREFIX: Final = "$events."

#: The longest channel name in bytes (`channel.max_length`).
MAX_CHANNEL_BYTES: Final = 255
#: The largest payload in bytes. A client whose queue exceeds 1 MiB is closed as "slow" (3008).
MAX_PAYLOAD_BYTES: Final = 900_000
#: The largest batch request: commands and bytes.
MAX_BATCH_COMMANDS: Final = 1_000
MAX_BATCH_BYTES: Final = 512 * 1024
#: How many uids a page remembers, so that its handlers run once per message: more than a publisher may have in flight
#: when its server is killed, and then publishes again.
REMEMBERED_UIDS: Final = 10_000

#: Close code (terminal for an SDK) after which a client must get new tokens from Django or stay disconnected.
REVOKED_CODE: Final = 4501
REVOKED_REASON: Final = "access revoked"

#: The event class of live HTML. `data` holds the action, the target and the HTML (see `instant.html`).
STREAM: Final = "instant:stream"
#: The event class of signals from the server. `data` holds the `name` and its `opts` (see `instant.windows`).
SIGNAL: Final = "instant:signal"
#: The reason (404) for a call of a signal that browsers cannot call. A page may have functions of its own for it.
NO_SUCH_SIGNAL: Final = "there is no such signal"

# Element ids, attribute and header by which the page script reads its page, and requests parts of it again.
PAGE_ID: Final = "instant-page"
CREDENTIALS_ID: Final = "instant-credentials"
STREAM_ATTRIBUTE: Final = "data-instant-stream"
REFRESH_HEADER: Final = "X-Instant-Refresh"

# For `exclude`: the header with the client ids of a page, their maximum number, and the tags of a publication by which
# clients recognize their own messages.
SENDER_HEADER: Final = "X-Instant-Client"
MAX_SENDER_IDS: Final = 20
TAG_USER: Final = "user"
TAG_CLIENT: Final = "client"
