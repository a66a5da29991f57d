"""The words of the wire and its limits, known to Python, TypeScript and Go alike.

`make contract` writes `frontend/src/contract.ts` from this module; `tests/test_contract.py` proves it fresh.
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

PRIVATE_PREFIX: Final = "$"
NAMESPACE_BOUNDARY: Final = ":"
#: Namespace of WebSocketHandler streams; no channel or rule may use it.
SOCKETS_NAMESPACE: Final = "ws"

#: Longest channel name in bytes (`channel.max_length`).
MAX_CHANNEL_BYTES: Final = 255
#: Largest payload in bytes: a client whose queue holds more than 1 MiB is closed as "slow" (3008).
MAX_PAYLOAD_BYTES: Final = 900_000
#: Largest batch request: commands and bytes.
MAX_BATCH_COMMANDS: Final = 1_000
MAX_BATCH_BYTES: Final = 512 * 1024
#: How many uids a page remembers, so that each message is handed to its handlers once.
REMEMBERED_UIDS: Final = 1_000

#: Close code (terminal for an SDK) after which a client must ask Django for new tokens or stay away.
REVOKED_CODE: Final = 4501
REVOKED_REASON: Final = "access revoked"
