"""Each command that a check, an error, a log or the documentation names works, and loses no row of a database."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from instant.testing.live_servers import free_port
from tests.postgres import Cluster, cluster  # noqa: F401 - a fixture
from tests.snippets import PAGES, ROOT, commands
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

PLACES = [*PAGES, ROOT / "CHANGELOG.md", *(ROOT / "instant").glob("**/*.py"), *(ROOT / "instant").glob("**/*.html")]
#: A command in backquotes, which may contain a line break, or a line of a console block.
QUOTED = re.compile(r"`(?:\$ )?(?:python )?manage\.py ([^`]+?)`|^\$ (?:python )?manage\.py (.+)$", re.MULTILINE)
INSTALL = "tests/management/test_installws.py"
#: Commands that need the network, an engine or a new project: the test that runs them, and a call in it. If it names a
#: page of docs/, it runs each command of that page.
ELSEWHERE = {
    "installws": (INSTALL, "run()"),
    "installws --force": (INSTALL, 'run("--force")'),
    "installws --from centrifugo_6.9.1_linux_amd64.tar.gz": (
        INSTALL,
        'run("--from", name)',
    ),
    "runws --nodes 3": ("tests/nodes/test_nodes.py", '"--nodes", str(NODES)'),
    "createsuperuser --username ann --email ann@example.org": ("tests/browser/test_tutorial.py", "tutorial.md"),
    "startapp notes": ("tests/browser/test_live_tutorial.py", "live-tutorial.md"),
    "makemigrations notes": ("tests/browser/test_live_tutorial.py", "live-tutorial.md"),
}
#: Commands that run until they are interrupted, and what they print once they work.
ENDLESS = {
    "runserver": "Quit the server",
    "runws": "Ctrl-C",
    "run_wsserver": "Ctrl-C",
    "relayoutbox": "Delivering",
}
#: Arguments for commands that would ask a question, or whose option has no value.
MORE = {"shell": ["-c", "pass"], "recheck --topics": ["front page"]}
#: On PostgreSQL the server's own consumer delivers, so that the relay refuses to run; other databases have no trigger.
REFUSED = {
    *(("postgres", f"relayoutbox{options}") for options in ("", " --once", " --tenant NAME")),
    ("sqlite", "repairoutbox"),
}
#: Tables whose rows a command must remove, change or add to do its work.
TAKEN = {
    "relayoutbox": {"instant.OutboxEntry", "instant.OutboxLease", "instant.Revocation"},
    "runws": {"instant.OutboxEntry"},
    "recheck": {"instant.Revocation", "instant.RecheckedTopic"},
}


def named() -> list[str]:
    texts = [path.read_text() for path in PLACES]
    return sorted({" ".join((a or b).split()) for text in texts for a, b in QUOTED.findall(text)})


COMMANDS = [command for command in named() if command not in ELSEWHERE]


class Site:
    def __init__(self, folder: Path, database: dict[str, Any], port: int) -> None:
        given = {
            "DATABASES": {"default": {name: value for name, value in database.items() if name != "TEST"}},
            "CENTRIFUGO_PORT": port,
            "INSTANT_SOCKETS_URL": f"grpc://127.0.0.1:{free_port()}",
            "INSTANT_SOCKETS_BRIDGE": f"http://127.0.0.1:{free_port()}",
        }
        names = ("DJANGO_SETTINGS_MODULE", "INSTANT_BROADCAST_WITH")
        self.environment = {name: value for name, value in os.environ.items() if name not in names}
        self.environment |= {"ADVICE": json.dumps(given), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.folder = folder

    def call(self, *words: str, given: object = None) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "tests.advice.site", *words], cwd=ROOT, env=self.environment, text=True,
            input=json.dumps(given), capture_output=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def running(self, command: list[str], word: str, **environment: str) -> Iterator[list[int]]:
        """Run the command while the block runs, then interrupt it as Ctrl-C does; the list gets its exit status."""
        log, status = self.folder / "log", []
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.advice.site", "one", *command], cwd=ROOT,
                env={**self.environment, **environment},
                stdout=output, stderr=output,
            )  # fmt: skip
        until = time.monotonic() + PATIENCE
        while process.poll() is None and (not (said := log.read_text()) or word not in said):
            assert time.monotonic() < until, said
            time.sleep(0.05)
        try:
            yield status
        finally:
            process.send_signal(signal.SIGINT)
            status.append(process.wait(PATIENCE))

    def run_for_a_while(self, command: list[str], word: str) -> dict[str, Any]:
        before = self.call("rows")
        with self.running(command, word) as status:
            time.sleep(0.3)
        compared = self.call("compare", given=before)
        return {"status": status[0], "said": (self.folder / "log").read_text(), **compared}


def arguments(command: str) -> list[str]:
    """Return the command's words; its address and port are local and free."""
    words = shlex.split(command.replace("NAME", "acme")) + MORE.get(command, [])
    if words[0] == "runserver":
        words += ["--noreload", f"127.0.0.1:{free_port()}"]
    for option, value in (("--host", "127.0.0.1"), ("--address", "127.0.0.1"), ("--port", str(free_port()))):
        if option in words:
            words[words.index(option) + 1] = value
    return words


def results(kind: str, folder: Path, database: dict[str, Any]) -> dict[str, Any]:
    """Return the result of each command on that database."""
    site = Site(folder, database, free_port())
    filled = site.call("fill")
    assert [label for label, table in filled.items() if label.startswith("instant.") and not table] == []
    endless = [
        command
        for command in COMMANDS
        if command.split()[0] in ENDLESS and "--once" not in command and (kind, command) not in REFUSED
    ]
    brief = [command for command in COMMANDS if command not in endless]
    # Commands that remove rows come last. After a recheck, a thread of the process works on the revocations, too.
    brief.sort(key=lambda command: (command.startswith("recheck"), "--once" in command))
    brief.sort(key=lambda command: command.startswith("relayoutbox"))
    # This server does not read the outbox, so that the commands have rows to lose.
    with site.running(["runws", "--server", "dev"], ENDLESS["runws"], ADVICE_BACKEND="python"):
        found = dict(zip(brief, site.call("run", given=[arguments(command) for command in brief]), strict=True))
    for command in endless:
        found[command] = site.run_for_a_while(arguments(command), ENDLESS[command.split()[0]])
    return found


def test_no_command_is_overlooked() -> None:
    """Each word after `manage.py` is a command of the list, and each command is run here or elsewhere."""
    words = {word for path in PLACES for word in re.findall(r"manage\.py (\w+)", path.read_text())}
    assert words == {command.split()[0] for command in named()}
    assert set(ELSEWHERE) <= set(named())
    for command, (place, call) in ELSEWHERE.items():
        assert call in (ROOT / place).read_text()
        if call.endswith(".md"):
            assert command in [
                ran.partition("manage.py ")[2] for snippet, ran in commands() if snippet.page.name == call
            ]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_commands_do_their_work_and_lose_nothing(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if kind == "sqlite":
        found = results(kind, tmp_path, {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db.sqlite3")})
    else:
        server: Cluster = request.getfixturevalue("cluster")
        name = server.create()
        try:
            settings = {key: value for key, value in server.settings(name).items() if isinstance(value, (str, int))}
            found = results(kind, tmp_path, settings)
        finally:
            server.drop(name)
    faults = {command: fault for command, answer in found.items() if (fault := fault_of(kind, command, answer))}
    assert faults == {}


def fault_of(kind: str, command: str, answer: dict[str, Any]) -> object:
    if answer["status"] != ((kind, command) in REFUSED):
        return answer["status"], answer["said"]
    changed = TAKEN.get(command.split(maxsplit=1)[0], set())
    return {label: rows for what in ("lost", "added") for label, rows in answer[what].items() if label not in changed}
