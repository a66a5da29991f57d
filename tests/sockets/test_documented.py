"""What docs/sockets.md shows beside Python: the proxy, the unit, and the tables of codes, limits and options."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from django.contrib.auth.models import User
from django.test import Client

from instant.conf import conf
from instant.management.commands.run_wsserver import WEBSOCKET_URL, Command
from instant.sockets import close_codes, connection, message_order, send_buffer
from instant.testing.live_servers import free_port
from tests import nginx
from tests.snippets import ROOT, snippets
from tests.waiting import PATIENCE

from .running import RunningWorker

PAGE = ROOT / "docs/sockets.md"
TEXT = PAGE.read_text()


def block(language: str) -> str:
    (found,) = [snippet.text for snippet in snippets(PAGE) if snippet.language == language]
    return found


def test_all_codes_are_listed() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d{4}) \|", TEXT, re.MULTILINE)}
    closings = [value for value in vars(close_codes).values() if isinstance(value, close_codes.Closing)]
    refusals = [
        close_codes.of_refusal(deny)
        for deny in (close_codes.bad_name(), close_codes.unknown("x"), close_codes.forbidden(), close_codes.failed())
    ]
    assert listed == {each.code for each in [*closings, *refusals]} | {close_codes.TRY_LATER, 1009, 4401}


def test_limits_are_as_shown() -> None:
    megabyte, closed = 1024 * 1024, "the socket is closed with"
    unread = f"{connection.MOST_UNREAD:,}, or {connection.MOST_UNREAD_BYTES // megabyte} MiB"
    assert f"{unread} | {closed} 4503" in TEXT
    assert f"{send_buffer.MOST:,}, or {send_buffer.MOST_BYTES // megabyte} MiB |" in TEXT
    assert f"`send()` in a thread waits for up to {send_buffer.PATIENCE:.0f} seconds" in TEXT
    early = f"{message_order.WINDOW:,}, or {message_order.MOST_BYTES // megabyte} MiB"
    assert f"{early}, or {message_order.PATIENCE:.0f} seconds | {closed} 4502" in TEXT


def test_all_options_are_listed() -> None:
    parser = Command().create_parser("manage.py", "run_wsserver")
    own = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    common = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"}
    common |= {"--no-color", "--force-color", "--skip-checks"}
    rows = "\n".join(re.findall(r"^\| `--.*$", TEXT, re.MULTILINE))
    assert set(re.findall(r"`(--[a-z-]+)`", rows)) == own - common
    assert f"| `--websocket-url` | `{WEBSOCKET_URL}` |" in rows


def test_the_unit_starts_the_worker() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block("ini"))
    python, *words = unit["Service"]["ExecStart"].split()
    assert (Path(python).name, words[:2]) == ("python", ["manage.py", "run_wsserver"])
    options = vars(Command().create_parser("manage.py", "run_wsserver").parse_args(words[2:]))
    assert int(unit["Service"]["TimeoutStopSec"]) > options["patience"]


@pytest.fixture
def proxy(worker: RunningWorker, tmp_path: Path) -> Iterator[int]:
    nginx.need_nginx()
    port, here = free_port(), block("nginx").replace("http://127.0.0.1:8429", conf.sockets_bridge)
    with nginx.running(tmp_path, f"server {{ listen 127.0.0.1:{port}; {here} location / {{ return 404; }} }}", port):
        yield port


@pytest.fixture
def cookie(ann: User) -> dict[str, str]:
    browser = Client()
    browser.force_login(ann)
    return {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}


async def test_plain_websockets_come_through_the_proxy(proxy: int, cookie: dict[str, str]) -> None:
    own = f"http://127.0.0.1:{proxy}"
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{own}/socket/members", headers=cookie, origin=own) as socket:
            await socket.send_str("who am I")
            assert await socket.receive_str(timeout=PATIENCE) == "ann"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await http.ws_connect(f"{own}/socket/members", headers=cookie, origin=f"https://127.0.0.1:{proxy}")
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await http.ws_connect(f"{own}/instant/stream")
