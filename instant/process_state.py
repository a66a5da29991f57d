"""State that belongs to one process: it is reset in a forked child."""

from __future__ import annotations

import os
from collections.abc import Callable


def reset_in_child(reset: Callable[[], object]) -> None:
    """Call `reset` in each child that this process forks. Windows has no fork, so it is never called there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)
