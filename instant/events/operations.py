"""The operations on an object, and their event classes in messages."""

from __future__ import annotations

from typing import Final, Literal

Operation = Literal["create", "update", "delete"]

OP_CREATE: Final = "create"
OP_UPDATE: Final = "update"
OP_DELETE: Final = "delete"
OPERATIONS: tuple[Operation, ...] = (OP_CREATE, OP_UPDATE, OP_DELETE)

#: The event class of each operation's messages. The client's handlers and labels use it.
EVENT_CLASSES: dict[Operation, str] = {
    OP_CREATE: "object created",
    OP_UPDATE: "object edited",
    OP_DELETE: "object deleted",
}
