"""Access to the private state of Django's open transactions. No other module uses these attributes.

They are `savepoint_ids`, `run_on_commit` and `atomic_blocks` of a database connection, and `_from_testcase` of an
`atomic` block. Tested with Django 4.2 to 6.0; `tests/test_private_api.py` checks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: An entry of `run_on_commit`: the open savepoints, the function, and whether it is robust.
Registered = tuple[set[str], Callable[[], object], bool]


def savepoints(connection: Any) -> list[str | None]:
    """Return the ids of the open savepoints, outermost first. None stands for a block without a savepoint.

    This is Django's own list: copy it to keep it.
    """
    found: list[str | None] = connection.savepoint_ids
    return found


def registered(connection: Any) -> list[Registered]:
    """Return Django's own list of the functions that run when the open transaction commits."""
    found: list[Registered] = connection.run_on_commit
    return found


def outermost_block(connection: Any) -> object | None:
    """Return the outermost `atomic` block, which commits. Return None if a TestCase has opened no block of its own."""
    return next((block for block in connection.atomic_blocks if not block._from_testcase), None)


def is_open(connection: Any, block: object | None) -> bool:
    """Report whether this block is still open."""
    return block in connection.atomic_blocks
