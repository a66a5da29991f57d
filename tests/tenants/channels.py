from __future__ import annotations

from typing import Any

from instant import rule


@rule("$room:<int:pk>")
def room(user: Any, pk: int) -> bool:
    return bool(user.groups.filter(name="team").exists())
