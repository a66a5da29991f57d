"""Access ends at once: users who lose the right to a channel are unsubscribed when the change commits.

`QuerySet.update()` on users or groups sends no signals: call `recheck(users=[…])` after it. What else a rule reads,
only its site knows: `recheck(channels=["$post:1"])`.

`causes` and `sessions` receive the changes, `recording` writes them down, `enforcement` unsubscribes and disconnects,
`repeating` does it again until old tokens have expired.
"""

from __future__ import annotations

from .recording import recheck

__all__ = ["recheck"]
