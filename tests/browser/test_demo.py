"""What a newcomer does first: `make demo`, log in, publish from the shell, see it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from instant.testing.live_servers import free_port
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]

#: Everybody has a channel of their own.
PERSONAL = re.compile(r"\$user\.\d+")


class Demo:
    """The demo as `make demo` runs it, on free ports and with a database of its own."""

    def __init__(self, kind: str, database: Path) -> None:
        self.websocket_port = free_port()
        self.database = str(database)
        command = [sys.executable, "-m", "tests.demo", "--server", kind, "--database", self.database]
        command += ["--port", str(free_port()), "--websocket-port", str(self.websocket_port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.lines: list[str] = []
        self.up = threading.Event()
        self.url = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def wait_until_up(self) -> None:
        assert self.up.wait(3 * PATIENCE), self.lines

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.search(r"The demo is at (\S+)", line):
                self.url = match[1]
                self.up.set()

    def shell(self, code: str) -> None:
        """manage.py shell, in another terminal."""
        environment = {
            **os.environ, "DEMO_DATABASE": self.database, "DEMO_WEBSOCKET_PORT": str(self.websocket_port),
            "DJANGO_SETTINGS_MODULE": "tests.demo.settings",
        }  # fmt: skip
        command = [sys.executable, "tests/demo/manage.py", "shell", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    def end(self) -> int:
        """Ctrl-C: the terminal sends SIGINT to all of them."""
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(2 * PATIENCE)
        self.reader.join(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()
        return status


@pytest.fixture
def demo(browser: object, server_kind: str, tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(server_kind, tmp_path / "demo.sqlite3")
    try:
        demo.wait_until_up()
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.end()


def log_in(page: Page, demo: Demo, name: str) -> None:
    page.goto(demo.url)
    page.click(f"[data-login={name}]")
    expect(page.locator("#state")).to_have_text("connected")


def messages(page: Page) -> list[str]:
    return page.locator("#messages .text").all_inner_texts()


def test_a_message_from_the_shell_reaches_whom_it_should(demo: Demo, new_page: Callable[[], Page]) -> None:
    alice, bob = new_page(), new_page()
    log_in(alice, demo, "alice")
    log_in(bob, demo, "bob")
    demo.shell(
        "from instant import publish\n"
        "publish('$team:editors', 'for editors only', event_class='important', data={'n': 1})\n"
        "publish('news', 'for all')"
    )
    for page in (alice, bob):
        page.get_by_text("for all").wait_for()  # sent after the other one: what is not there now will not come
    assert messages(alice) == ["for all", "for editors only"]
    assert messages(bob) == ["for all"]
    expect(alice.locator(".label[data-kind=important]")).to_have_text("important")
    alice.close(), bob.close()  # they would try to connect again
    assert demo.end() == 0
    assert not any("Traceback" in line for line in demo.lines), "".join(demo.lines)


def test_the_page_publishes_and_logs_out(demo: Demo, new_page: Callable[[], Page]) -> None:
    page, other = new_page(), new_page()
    log_in(page, demo, "admin")
    log_in(other, demo, "sam")
    names = page.locator("#channels code").all_inner_texts()
    assert names == ["$ops", "$staff", "$team:editors", "$user.1", "$users", "news"]
    page.select_option("[name=channel]", "$staff")
    page.fill("[name=message]", "<b>staff</b> meeting")
    page.click("#publish button")
    other.get_by_text("admin: <b>staff</b> meeting").wait_for()
    page.reload()  # the session is still there
    expect(page.locator("#state")).to_have_text("connected")
    page.click("#logout")
    expect(page.locator("#state")).to_have_text("disconnected")
    expect(page.locator("#people")).to_be_visible()
    page.click("[data-login=bob]")  # somebody else, in the same page
    expect(page.locator("#channels code")).to_have_text(["$team:authors", PERSONAL, "$users", "news"])
    demo.shell("from instant import publish; publish('$team:authors', 'hello bob'); publish('$staff', 'not bob')")
    page.get_by_text("hello bob").wait_for()
    other.get_by_text("not bob").wait_for()
    assert "not bob" not in messages(page)
