"""Write src/core/protocol.ts from instant/protocol.py: `python frontend/generate_protocol.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "src" / "core" / "protocol.ts"


def render() -> str:
    """Return the text of src/core/protocol.ts: each public constant under the same name, in the same order."""
    sys.path.insert(0, str(HERE.parent))
    from instant import protocol

    lines = [
        "// Generated from instant/protocol.py by frontend/generate_protocol.py: change it there.",
        "",
    ]
    for name, value in vars(protocol).items():
        if name.isupper():
            lines.append(f"export const {name} = {json.dumps(value)};")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8", newline="\n")
