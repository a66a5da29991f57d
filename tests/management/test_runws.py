"""manage.py runws as a process of its own: both servers, signals, exit statuses and one clear line for each trouble."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from instant.centrifugo import http
from instant.testing.live_servers import free_port, wait_until_listening
from tests.conftest import need_server
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "SECRET_KEY": "runws-tests-only-secret-key-of-more-than-fifty-characters-01",
    "DEBUG": True,
    "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth", "corsheaders", "instant"],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "USE_TZ": True,
}


class Site:
    """A site in a folder of its own, and its runws."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.port = folder, free_port()
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        values = {**SETTINGS, "BASE_DIR": str(folder), "CENTRIFUGO_PORT": self.port, **settings}
        (folder / "site_settings.py").write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()))
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "TMPDIR": str(self.temporary),
        }
        self.process: subprocess.Popen[str] | None = None
        self.output: list[str] = []

    def start(self, *arguments: str) -> None:
        """Start runws, and wait until the server listens."""
        command = [sys.executable, "-W", "error", "-m", "django", "runws", *arguments]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        port = int(arguments[arguments.index("--port") + 1]) if "--port" in arguments else self.port
        wait_until_listening(port, self.process)  # type: ignore[arg-type]

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.output.extend(self.process.stdout)

    def end(self, number: int | None = None) -> int:
        """Send a signal to runws, if any; return its exit status."""
        assert self.process is not None
        assert self.process.stdout is not None
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "a server was left behind"
        self.process.stdout.close()
        self.process = None
        return status

    def fails(self, *arguments: str) -> str:
        """Run a runws that must not come up; return the one line that it says of it."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "django", "runws", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == 1, done
        (line,) = done.stderr.splitlines()
        assert list(self.temporary.iterdir()) == []
        return line

    def log(self) -> list[dict[str, Any]]:
        """The lines of Centrifugo's log."""
        return [json.loads(line) for line in self.output if line.startswith("{")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**settings: Any) -> Site:
        sites.append(Site(tmp_path, **settings))
        return sites[-1]

    yield make
    for each in sites:
        if each.process is not None:
            each.end(signal.SIGTERM)


def publish_to(port: int) -> dict[str, Any]:
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=port, SECRET_KEY=SETTINGS["SECRET_KEY"]):
        return http.post("publish", b'{"channel": "public", "data": 1}')


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_runs_and_ends_cleanly(site: Callable[..., Site], server_kind: str, number: signal.Signals) -> None:
    here = site()
    here.start("--server", server_kind)
    assert "result" in publish_to(here.port)
    assert here.end(number) == 0
    assert is_free(here.port)
    assert list(here.temporary.iterdir()) == []
    assert f"at 127.0.0.1:{here.port}. Press Ctrl-C" in here.output[0]
    assert "Traceback" not in "".join(here.output)


def test_the_log_comes_through_whole(site: Callable[..., Site], centrifugo: None) -> None:
    here = site()
    here.start("--server", "centrifugo")
    here.end(signal.SIGTERM)
    messages = [entry["message"] for entry in here.log()]
    assert "starting Centrifugo" in messages
    assert f"serving websocket, api, health endpoints on 127.0.0.1:{here.port}" in messages


def test_auto_takes_centrifugo_where_it_is(site: Callable[..., Site], centrifugo: None) -> None:
    here = site(DEBUG=False, ALLOWED_HOSTS=["example.org"])
    here.start()
    here.end(signal.SIGTERM)
    assert any(entry["message"] == "starting Centrifugo" for entry in here.log())


def test_auto_says_that_it_takes_the_devserver(site: Callable[..., Site]) -> None:
    need_server("dev")
    here = site()
    here.environment["PATH"] = "/nowhere"
    here.start()
    assert here.end(signal.SIGTERM) == 0
    first, second = here.output[:2]
    assert "Centrifugo is not installed. Run `manage.py installws`" in first
    assert "Starting the devserver instead." in first
    assert "Starting the devserver at" in second


def test_port_and_host_are_taken(site: Callable[..., Site], server_kind: str) -> None:
    here, port = site(), free_port()
    here.start("--server", server_kind, "--port", str(port), "--host", "0.0.0.0")
    assert "result" in publish_to(port)
    assert is_free(here.port)
    here.end(signal.SIGTERM)
    assert f"0.0.0.0:{port}" in here.output[0]


def test_the_config_file_is_ours_alone_and_goes_with_a_killed_server(
    site: Callable[..., Site], centrifugo: None
) -> None:
    here = site()
    here.start("--server", "centrifugo")
    (folder,) = here.temporary.iterdir()
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    while not (pids := {entry["pid"] for entry in here.log() if "pid" in entry}):
        time.sleep(0.02)
    (pid,) = pids
    os.kill(pid, signal.SIGKILL)
    assert here.end() == 128 + signal.SIGKILL
    assert list(here.temporary.iterdir()) == []
    assert is_free(here.port)  # nothing was started again
    assert here.output[-1] == "The server exited with status 137.\n"


def test_the_environment_of_a_dotenv_file_is_no_trouble(site: Callable[..., Site], centrifugo: None) -> None:
    here = site()
    here.environment |= {"CENTRIFUGO_PORT": "1", "CENTRIFUGO_HMAC_KEY": "x", "CENTRIFUGO_HOST": "http://localhost"}
    here.start("--server", "centrifugo")
    assert here.end(signal.SIGTERM) == 0
    warnings = [entry["message"] for entry in here.log() if entry["level"] not in ("info", "debug")]
    assert [message for message in warnings if "development build" not in message] == []


SCRIPT = """#!/bin/sh
case "$1" in
  version) echo 'Centrifugo v6.9.1' ;;
  checkconfig) exit 0 ;;
  *) exit 7 ;;
esac
"""


def test_the_servers_exit_status_is_that_of_runws(site: Callable[..., Site], tmp_path: Path) -> None:
    binary = tmp_path / "fake"
    binary.write_text(SCRIPT)
    binary.chmod(0o755)
    here = site(CENTRIFUGO_BINARY=str(binary))
    done = subprocess.run(
        [sys.executable, "-m", "django", "runws"],
        env=here.environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 7
    assert "status 7" in done.stderr
    assert list(here.temporary.iterdir()) == []


# troubles, each in one clear line


def test_a_port_in_use(site: Callable[..., Site], server_kind: str) -> None:
    here = site()
    with socket.create_server(("127.0.0.1", here.port)):
        line = here.fails("--server", server_kind)
    assert f"CommandError: Cannot listen on 127.0.0.1:{here.port}: Address already in use" in line
    assert "--port" in line


def test_a_missing_binary(site: Callable[..., Site]) -> None:
    here = site(CENTRIFUGO_BINARY="/nowhere/centrifugo")
    assert "CENTRIFUGO_BINARY is '/nowhere/centrifugo', but there is no" in here.fails("--server", "centrifugo")


def test_the_devserver_needs_debug(site: Callable[..., Site]) -> None:
    need_server("dev")
    here = site(DEBUG=False, ALLOWED_HOSTS=["example.org"])
    line = here.fails("--server", "dev")
    assert "DEBUG is off" in line
    assert "installws" in line
    here.start("--server", "dev", "--insecure-dev")
    assert here.end(signal.SIGTERM) == 0


def test_auto_without_debug_and_without_a_binary(site: Callable[..., Site]) -> None:
    here = site(DEBUG=False, ALLOWED_HOSTS=["example.org"])
    here.environment["PATH"] = "/nowhere"
    assert "DEBUG is off. Run `manage.py installws`" in here.fails()


def test_an_old_centrifugo_is_refused(site: Callable[..., Site], tmp_path: Path) -> None:
    binary = tmp_path / "old"
    binary.write_text(SCRIPT.replace("6.9.1", "4.0.4"))
    binary.chmod(0o755)
    line = site(CENTRIFUGO_BINARY=str(binary)).fails()
    assert "is Centrifugo 4.0.4, but version 6 is required: run `manage.py installws --force`" in line


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"CENTRIFUGO_API_KEY": "from a file\n"}, "CENTRIFUGO_API_KEY has characters"),
        ({"CENTRIFUGO_HMAC_KEY": 5}, "CENTRIFUGO_HMAC_KEY is wrong; it must be of type str or None"),
        ({"CENTRIFUGO_PORT": 70000}, "70000"),
        ({"INSTANT_NAMESPACES": {"chat": {"history_ttl": 60}}}, "must be text with a unit"),
    ],
)
def test_a_bad_setting(site: Callable[..., Site], settings: dict[str, Any], text: str) -> None:
    assert text in site(**settings).fails()


def test_a_config_that_the_server_refuses(site: Callable[..., Site], centrifugo: None) -> None:
    line = site(INSTANT_NAMESPACES={"chat": {"channel_regex": "["}}).fails("--server", "centrifugo")
    assert "CommandError: Centrifugo refuses its config: " in line
    assert "regex" in line


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(CommandError, match="--port"):
        call_command("runws", f"--port={port}")


# several nodes


@pytest.mark.parametrize("name", ["INT", "TERM"])
@pytest.mark.parametrize("command", ["checkconfig", "-c"], ids=["before the server has started", "while it starts"])
def test_a_signal_at_the_start_is_a_clean_end(
    site: Callable[..., Site], tmp_path: Path, command: str, name: str
) -> None:
    """A server that still starts has no handler for SIGTERM: it ends with status 143, and `runws` with 0."""
    binary = tmp_path / "centrifugo"
    binary.write_text(
        "#!/bin/sh\n"
        '[ "$1" = version ] && { echo "Centrifugo v6.9.1"; exit; }\n'
        f'[ "$1" = {command} ] && kill -{name} $PPID\n'
        '[ "$1" = -c ] && exec sleep 600\n'
        "exit 0\n"
    )
    binary.chmod(0o755)
    here = site(CENTRIFUGO_BINARY=str(binary))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "runws"],
        env=here.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=here.folder,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(here.temporary.iterdir()) == []


def test_several_nodes_need_an_engine_that_they_share(site: Callable[..., Site], centrifugo: None) -> None:
    here = site()
    assert 'With INSTANT_ENGINE = "memory" the nodes would not share' in here.fails("--nodes", "2")
    assert "The devserver cannot run as several nodes" in here.fails("--server", "dev", "--nodes", "2")


@pytest.mark.parametrize("number", ["0", "65", "x"])
def test_a_number_of_nodes_that_is_none(number: str) -> None:
    with pytest.raises(CommandError, match="--nodes"):
        call_command("runws", "--nodes", number)


def test_a_node_that_ends_is_started_anew(site: Callable[..., Site], tmp_path: Path) -> None:
    """The others go on; SIGTERM ends all, and the status is that of one that failed."""
    binary = tmp_path / "centrifugo"
    binary.write_text(
        "#!/bin/sh\n"
        '[ "$1" = version ] && { echo "Centrifugo v6.9.1"; exit; }\n'
        '[ "$1" = checkconfig ] && exit\n'
        f'echo "$2" >> {tmp_path}/started\n'
        "exec " + sys.executable + " -c 'import json, signal, socket, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        'listener = socket.create_server(("127.0.0.1", json.load(open(sys.argv[1]))["http_server"]["port"]))\n'
        'while True:\n    signal.pause()\' "$2"\n'
    )
    binary.chmod(0o755)
    here = site(CENTRIFUGO_BINARY=str(binary), INSTANT_ENGINE="redis://127.0.0.1:1")
    here.start("--nodes", "2")
    assert here.process is not None
    wait_until_listening(here.port + 1)
    children = Path(f"/proc/{here.process.pid}/task/{here.process.pid}/children")
    before = children.read_text().split()
    assert len(before) == 2
    os.kill(int(before[0]), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while len((tmp_path / "started").read_text().splitlines()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wait_until_listening(here.port)
    assert before[1] in children.read_text().split()
    assert here.end(signal.SIGTERM) == 0
    assert any("node 1 exited with status -9" in line for line in here.output)
