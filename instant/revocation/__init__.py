"""Revocation: users who lose access to a channel are unsubscribed when the change commits.

`QuerySet.update()` on users or groups sends no signals: call `recheck(users=[…])` after it. Django does not know which
other data a rule reads: call `recheck(channels=["$post:1"])` when it changes.

`causes` and `sessions` receive the changes, and `recording` saves them as rows. `enforcement` unsubscribes and
disconnects. `repeating` enforces the rows again until older tokens have expired.
"""

from __future__ import annotations

from .recording import arecheck, recheck

__all__ = ["arecheck", "recheck"]
