"""`python -m instant.devserver CONFIG.json`: run the devserver in the foreground."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from instant.devserver.foreground import run


def main() -> int:
    """Read the config file named on the command line and serve it. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m instant.devserver", description=__doc__)
    parser.add_argument("config", type=Path, help="path of a JSON config file for Centrifugo v6")
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
