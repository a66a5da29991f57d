from __future__ import annotations

from typing import Any

from instant.windows import is_authenticated, signal


@signal("bench.echo", is_allowed_to=is_authenticated)
def echo(window_info: Any, number: int = 0) -> int:
    return number
