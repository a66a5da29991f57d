from __future__ import annotations

from typing import Any

from instant.windows import signal


@signal("bench.echo")
def echo(window_info: Any, number: int = 0) -> int:
    return number
