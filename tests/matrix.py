"""Run the tests of `make quick` with other versions of Python and of our requirements: `python -m tests.matrix [NAME]`.

Each combination has a virtual environment of its own. "lowest" has the lowest versions that setup.cfg allows.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The extras whose lowest versions are tried, too; "dev" has tools only.
EXTRAS = ("fast", "celery", "sockets", "postgres")


@dataclass(frozen=True)
class Combination:
    name: str
    python: str
    constraints: tuple[str, ...]


def lowest() -> Iterator[str]:
    """Yield a constraint `package==version` for each `package>=version` of setup.cfg, but for the tools."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in EXTRAS)]
    for line in "\n".join(texts).splitlines():
        if match := re.match(r"([A-Za-z0-9_.-]+)(?:\[\w+\])?>=([\d.]+)", line):
            yield f"{match[1]}=={match[2]}"


COMBINATIONS = [
    Combination("3.10-django-4.2", "3.10", ("Django>=4.2,<5",)),
    Combination("3.12-django-5.2", "3.12", ("Django>=5.2,<6",)),
    Combination("3.13-django-6.0", "3.13", ("Django>=6.0,<6.1",)),
    Combination("3.10-lowest", "3.10", tuple(lowest())),
]


def interpreter(version: str) -> str | None:
    """Return the path of this version of Python, from PATH or pyenv."""
    found = shutil.which(f"python{version}")
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    places = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    return str(places[-1]) if places else None


def run(combination: Combination, python: str) -> bool:
    place = Path(sys.prefix) / "matrix" / combination.name
    constraints = place / "constraints.txt"
    text = "".join(f"{line}\n" for line in combination.constraints)
    if not constraints.exists() or constraints.read_text() != text:
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([python, "-m", "venv", str(place)], check=True)
        (place / "wanted.txt").write_text(text)
        pip = [str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", str(place / "wanted.txt"), "-e", f"{ROOT}[dev]"], check=True)
        constraints.write_text(text)
    paths = f"{place / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "QUICK": "1", "PATH": paths, "VIRTUAL_ENV": str(place)}
    command = [str(place / "bin/python"), "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal"]
    return subprocess.call(command, cwd=ROOT, env=environment) == 0


def main(names: Sequence[str]) -> int:
    results = {}
    for combination in COMBINATIONS:
        if names and combination.name not in names:
            continue
        python = interpreter(combination.python)
        print(f"== {combination.name}", flush=True)
        if python is None:
            results[combination.name] = f"left out, there is no Python {combination.python}"
        else:
            results[combination.name] = "passed" if run(combination, python) else "FAILED"
    for name, result in results.items():
        print(f"{name}: {result}")
    return int("FAILED" in results.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
