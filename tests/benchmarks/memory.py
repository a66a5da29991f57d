"""What processes hold in memory, from /proc; nothing where there is none."""

from __future__ import annotations

from pathlib import Path


def resident_kb(pid: int | None) -> int | None:
    """The memory that a process has now."""
    return _status(pid, "VmRSS")


def peak_kb(pid: int | None) -> int | None:
    """The most memory that a process had so far."""
    return _status(pid, "VmHWM")


def _status(pid: int | None, key: str) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)
