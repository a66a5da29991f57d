"""What a forked child must forget."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_child(forget: Callable[[], object]) -> None:
    """Call `forget` in each child that this process forks; on Windows, which has no fork, never."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
