"""The words of the wire and its limits, known to Python, TypeScript and Go alike.

`make front` writes `frontend/src/core/protocol.ts` from this module; `tests/test_protocol.py` proves it fresh.
Facts about the server come from Centrifugo v6.9 (`client.*` and `channel.*` defaults).
"""

from typing import Final

# Keys of a payload, in the order in which they are written. CHANNEL is there in "string" payloads only.
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
# Levels of channels that are in no table: a user's own one, and those that a rule lets join.
PERSONAL: Final = "user"
RULE: Final = "rule"
#: Level of the topics of one page (see `instant.windows`).
PAGE: Final = "page"

PRIVATE_PREFIX: Final = "$"
NAMESPACE_BOUNDARY: Final = ":"
#: Between a tenant and what is its own, in names of channels and ids of users on the server.
TENANT_BOUNDARY: Final = "/"
#: Namespace of WebSocketHandler streams; no channel or rule may use it.
SOCKETS_NAMESPACE: Final = "ws"
#: Namespace of the channels of pages; where windows are in use, no channel of a site may be in it.
PAGES_NAMESPACE: Final = "page"
#: What the name of a namespace may be, as a regular expression.
NAMESPACE_PATTERN: Final = "[-a-zA-Z0-9_.]{2,}"
#: Names of personal channels start with it, and no others may.
PERSONAL_PREFIX: Final = "$user."
#: Names of the default channels of model events: the event's name follows.
EVENTS_PREFIX: Final = "$events."

#: Longest channel name in bytes (`channel.max_length`).
MAX_CHANNEL_BYTES: Final = 255
#: Largest payload in bytes: a client whose queue holds more than 1 MiB is closed as "slow" (3008).
MAX_PAYLOAD_BYTES: Final = 900_000
#: Largest batch request: commands and bytes.
MAX_BATCH_COMMANDS: Final = 1_000
MAX_BATCH_BYTES: Final = 512 * 1024
#: How many uids a page remembers, so that each message is handed to its handlers once: more than a publisher may have
#: under way when its server is killed, and publish anew.
REMEMBERED_UIDS: Final = 10_000

#: Close code (terminal for an SDK) after which a client must ask Django for new tokens or stay away.
REVOKED_CODE: Final = 4501
REVOKED_REASON: Final = "access revoked"

#: The event class of live HTML: `data` holds the action, the target and the HTML (see `instant.html`).
STREAM: Final = "instant:stream"
#: The event class of signals from the server: `data` holds the `name` and its `opts` (see `instant.windows`).
SIGNAL: Final = "instant:signal"

# What the page script finds in a page, and sends when it takes a page's parts anew.
PAGE_ID: Final = "instant-page"
CREDENTIALS_ID: Final = "instant-credentials"
STREAM_ATTRIBUTE: Final = "data-instant-stream"
REFRESH_HEADER: Final = "X-Instant-Refresh"

# Not to the sender: the header in which a page names the client ids that it has had, at most so many, and the tags of
# a publication that tell which clients leave it out.
SENDER_HEADER: Final = "X-Instant-Client"
MAX_SENDER_IDS: Final = 20
TAG_USER: Final = "user"
TAG_CLIENT: Final = "client"
