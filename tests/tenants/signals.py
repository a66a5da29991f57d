from __future__ import annotations

from typing import Any

from instant.windows import WindowInfo, everyone, signal

from . import current


@signal("where", is_allowed_to=everyone)
def where(window_info: WindowInfo) -> list[Any]:
    """The tenant, and the user's name there."""
    return [current.name(), window_info.user.get_username()]
