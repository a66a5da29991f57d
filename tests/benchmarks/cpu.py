"""The CPU that a process and its children have used, by what Linux says."""

from __future__ import annotations

import os
from pathlib import Path


def seconds(pid: int) -> float:
    """Return the seconds in all; 0 where nothing tells them."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        children = (folder / f"task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(seconds(int(child)) for child in children)
