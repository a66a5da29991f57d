"""`python -m instant.devserver CONFIG.json`: serve a config file in the foreground."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from instant.devserver.foreground import run


def main() -> int:
    """Read the config that the command line names and serve it."""
    parser = argparse.ArgumentParser(prog="python -m instant.devserver", description=__doc__)
    parser.add_argument("config", type=Path, help="a file in Centrifugo's v6 JSON layout")
    path = parser.parse_args().config
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"devserver: {path}: {error}\n")
        return 1
    return run(config)


if __name__ == "__main__":
    sys.exit(main())
