"""Write src/contract.ts from instant/contract.py: `python frontend/generate_contract.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "src" / "contract.ts"


def render() -> str:
    """Return the text of src/contract.ts: each public constant under the same name, in the same order."""
    sys.path.insert(0, str(HERE.parent))
    from instant import contract

    lines = [
        "// Generated from instant/contract.py by frontend/generate_contract.py: change it there.",
        "",
    ]
    for name, value in vars(contract).items():
        if name.isupper():
            lines.append(f"export const {name} = {json.dumps(value)};")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8", newline="\n")
