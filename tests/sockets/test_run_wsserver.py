"""manage.py run_wsserver as a process of its own: signals, processes, exit statuses, one line for each trouble."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from instant.management.commands import run_wsserver
from instant.testing.live_servers import free_port, wait_until_listening
from instant.worker import processes
from tests.waiting import PATIENCE, auntil

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "SECRET_KEY": "sockets-tests-only-secret-key-of-more-than-fifty-characters-1",
    "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth", "corsheaders", "instant", "chat"],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "ALLOWED_HOSTS": ["127.0.0.1"],
    "INSTANT_ALLOW_ANONYMOUS": True,
    "USE_TZ": True,
}
#: The `sockets.py` of the app. What happens is in a file, as only the processes of the worker know it.
CHAT = """
import os, threading
from pathlib import Path
from instant.sockets import EVERYONE, WebSocketHandler, socket

def tell(*words):
    with open(os.environ["TOLD"], "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

@socket("chat")
class Chat(WebSocketHandler):
    permission = EVERYONE

    def on_connect(self):
        tell("connect", os.getpid())

    def on_message(self, message):
        if message == "hang":
            tell("hang", os.getpid())
            threading.Event().wait(60)
        self.send(os.getpid())

    def on_close(self):
        tell("close", os.getpid())
"""

Work = Callable[["Site", aiohttp.ClientSession], Awaitable[None]]


class Site:
    """A site in a folder of its own, and its run_wsserver."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.bridge = folder, free_port(), free_port()
        self.told = folder / "told"
        self.told.touch()
        (folder / "chat").mkdir()
        (folder / "chat" / "__init__.py").touch()
        (folder / "chat" / "sockets.py").write_text(CHAT)
        self.configure()
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "TOLD": str(self.told),
        }
        self.process: subprocess.Popen[str] | None = None

    def configure(self, **changes: Any) -> None:
        ours = {
            "INSTANT_SOCKETS_URL": f"grpc://127.0.0.1:{self.port}",
            "INSTANT_SOCKETS_BRIDGE": f"http://127.0.0.1:{self.bridge}",
        }
        values = {**SETTINGS, **ours, **changes}
        (self.folder / "site_settings.py").write_text(
            "".join(f"{name} = {value!r}\n" for name, value in values.items())
        )

    def start(self, *arguments: str) -> None:
        """Start it, and wait until it listens."""
        self.process = self._popen(*arguments)
        for port in (self.port, self.bridge):
            wait_until_listening(port, self.process)  # type: ignore[arg-type]

    def _popen(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-m", "django", "run_wsserver", *arguments]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )

    def fails(self, *arguments: str) -> str:
        """Start what cannot start, and return what it says."""
        with self._popen(*arguments) as process:
            output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, output
        return output

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal, and return the exit status and all output."""
        assert self.process is not None
        self.process.send_signal(number)
        with self.process:
            output, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output

    def count(self, event: str) -> int:
        return sum(line.startswith(event) for line in self.told.read_text().splitlines())

    def pids(self) -> set[int]:
        """The processes that had a socket."""
        return {int(line.split()[1]) for line in self.told.read_text().splitlines()}

    def run(self, work: Work) -> None:
        """Run a test's clients."""

        async def scenario() -> None:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as http:
                await work(self, http)

        asyncio.run(scenario())

    async def open(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse[Any]:
        return await http.ws_connect(f"http://127.0.0.1:{self.bridge}/socket/chat")

    async def asked(self, ws: aiohttp.ClientWebSocketResponse[Any]) -> int:
        """Return the process of a socket's handler."""
        await ws.send_str("who")
        return int(await ws.receive_str(timeout=PATIENCE))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


COUNT = 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [(), ("--threaded",), ("--processes", "2")], ids=" ".join)
def test_a_signal_ends_it_and_all_sockets(site: Site, number: int, options: tuple[str, ...]) -> None:
    site.start(*options)

    async def talk(site: Site, http: aiohttp.ClientSession) -> None:
        sockets = [await site.open(http) for _ in range(COUNT)]
        for each in sockets:
            await site.asked(each)
        stopping = asyncio.get_running_loop().run_in_executor(None, site.stop, number)
        for message in await asyncio.gather(*(each.receive(PATIENCE) for each in sockets)):
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert (await stopping)[0] == 0

    site.run(talk)
    assert (site.count("connect"), site.count("close")) == (COUNT, COUNT)


def test_it_says_what_it_serves(site: Site) -> None:
    site.configure(WEBSOCKET_HANDLERS={"other": "chat.sockets.Chat"})
    site.start()
    status, output = site.stop()
    expected = (
        f"Serving chat, other at 127.0.0.1:{site.port}, plain WebSockets at 127.0.0.1:{site.bridge}. "
        "Press Ctrl-C to stop."
    )
    assert (status, output.strip()) == (0, expected)


def test_a_method_that_hangs_ends_with_it(site: Site) -> None:
    site.start("--patience", "1")

    async def talk(site: Site, http: aiohttp.ClientSession) -> None:
        ws = await site.open(http)
        await ws.send_str("hang")
        await auntil(lambda: site.count("hang") == 1)
        status, output = await asyncio.get_running_loop().run_in_executor(None, site.stop)
        assert status == 1
        assert "1 sockets did not end within 1" in output
        await ws.close()

    site.run(talk)


def test_processes_share_the_port_and_are_replaced(site: Site) -> None:
    site.start("--processes", "2")

    async def talk(site: Site, http: aiohttp.ClientSession) -> None:
        async def both() -> bool:
            """New connections go to either process; which one, the kernel says."""
            await site.asked(await site.open(http))
            return len(site.pids()) == 2

        while not await both():
            pass
        first, second = site.pids()
        os.kill(first, signal.SIGKILL)
        await auntil(lambda: not _is_alive(first))
        while len(site.pids() - {first, second}) == 0:
            try:
                await site.asked(await site.open(http))
            except (aiohttp.ClientError, TypeError):  # it was on its way to the one that is gone
                await asyncio.sleep(0.02)

    site.run(talk)
    status, output = site.stop()
    assert status == 0
    assert output.count("exited by itself and is replaced") == 1
    assert not [pid for pid in site.pids() if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_is_killed_frees_its_port(site: Site) -> None:
    site.start()
    assert site.process is not None
    site.process.kill()
    site.process.communicate(timeout=PATIENCE)
    site.start()
    assert site.stop()[0] == 0


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "processes"])
@pytest.mark.parametrize("taken", ["port", "bridge"])
def test_a_port_that_is_taken(site: Site, taken: str, options: tuple[str, ...]) -> None:
    port: int = getattr(site, taken)
    with socket.create_server(("127.0.0.1", port)):
        output = site.fails(*options)
    assert output.splitlines()[-1].startswith(f"CommandError: cannot listen at 127.0.0.1:{port}")
    assert "Serving" not in output
    assert "Traceback" not in output


def test_without_grpc_it_says_what_to_install(site: Site) -> None:
    (site.folder / "grpc.py").write_text("raise ModuleNotFoundError(\"No module named 'grpc'\", name='grpc')")
    (site.folder / "sitecustomize.py").write_text(
        "import importlib.util as u; f = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'grpc' else f(name, *rest)"
    )
    for options in ((), ("--processes", "2")):
        last = site.fails(*options).splitlines()[-1]
        assert last == "CommandError: No module named 'grpc'. Run `pip install django-instant[sockets]`."


def test_without_handlers(site: Site) -> None:
    (site.folder / "chat" / "sockets.py").write_text("")
    assert site.fails().startswith("CommandError: There is no socket handler. Set INSTANT_SOCKET_HANDLERS")


def test_a_wrong_setting(site: Site) -> None:
    site.configure(INSTANT_SOCKETS_URL="http://127.0.0.1:1")
    assert "INSTANT_SOCKETS_URL is 'http://127.0.0.1:1'" in site.fails("--skip-checks")
    site.configure(INSTANT_SOCKET_HANDLERS={"default": "chat.sockets.Nothing"})
    assert "INSTANT_SOCKET_HANDLERS['default']" in site.fails("--skip-checks")


def test_other_ports_and_no_bridge(site: Site) -> None:
    given, old = free_port(), site.bridge
    site.process = site._popen("--port", str(given), "--no-bridge", "--address", "127.0.0.1")
    wait_until_listening(given, site.process)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", old))
    status, output = site.stop()
    assert (status, output.strip()) == (0, f"Serving chat at 127.0.0.1:{given}. Press Ctrl-C to stop.")


@pytest.mark.parametrize(
    "option",
    ["--websocket-url=(", "--port=0", "--processes=0", "--threads=x", "--patience=-1", "--websocket-url=/(?P<x"],
)
def test_options_that_are_wrong(option: str, settings: Settings) -> None:
    with pytest.raises(CommandError, match=option.split("=", maxsplit=1)[0]):
        call_command("run_wsserver", option)


def test_defaults(settings: Settings) -> None:
    parser = run_wsserver.Command().create_parser("manage.py", "run_wsserver")
    chosen = run_wsserver._options(vars(parser.parse_args([])))
    assert (chosen.address, chosen.bridge) == ("127.0.0.1:8428", "127.0.0.1:8429")
    assert (chosen.threads, chosen.threaded, chosen.patience) == (8, False, 10)
    assert chosen.websocket_url == r"/socket/(?P<namespace>\w*)"
    given = vars(parser.parse_args(["--address", "::1", "--threaded", "--websocket-url", r"/s/(?P<namespace>\w*)"]))
    chosen = run_wsserver._options(given)
    assert (chosen.address, chosen.threaded) == ("[::1]:8428", True)
    assert chosen.websocket_url == r"/s/(?P<namespace>\w*)"


def test_where_there_is_no_fork(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    from . import handlers

    settings.INSTANT_SOCKET_HANDLERS = handlers.HANDLERS
    monkeypatch.delattr(processes.os, "fork")
    with pytest.raises(CommandError, match="cannot fork: start several workers"):
        call_command("run_wsserver", "--processes", "2")
