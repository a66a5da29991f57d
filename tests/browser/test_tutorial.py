"""docs/tutorial.md, word by word: its files are written, its commands are run, its page is opened."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from instant.testing.live_servers import free_port
from tests.snippets import ROOT, Snippet, snippets
from tests.waiting import PATIENCE

#: Done already by whoever runs this test: an environment in which django-instant is installed.
ENVIRONMENT = {"python -m venv .venv", ". .venv/bin/activate", "pip install django-instant"}
SERVERS = {"python manage.py runws", "python manage.py runserver"}


class Reader:
    """Somebody who does what the page says, from its top to its end."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.port, self.websocket_port = free_port(), free_port()
        self.children: list[subprocess.Popen[bytes]] = []
        bin_folder = str(Path(sys.executable).parent)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
        self.environment = {
            **inherited, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "DJANGO_SUPERUSER_PASSWORD": "secret",
        }  # fmt: skip

    def follow(self, snippet: Snippet) -> None:
        if snippet.language == "console":
            for line in snippet.text.splitlines():
                self.type(line.removeprefix("$ "))
        elif snippet.place == "shell":
            self.run(["python", "manage.py", "shell", "-c", snippet.text])
        else:
            path = self.folder / snippet.place.removesuffix(" +")
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text() if snippet.place.endswith(" +") else ""
            path.write_text(before + snippet.text)
            if path.name == "settings.py":  # two tests may run on one machine, and a port be in use
                path.write_text(f"{path.read_text()}\nCENTRIFUGO_PORT = {self.websocket_port}\n")

    def type(self, command: str) -> None:
        if command in ENVIRONMENT:
            return
        if command in SERVERS:
            self.start(command)
            return
        words = shlex.split(command)
        self.run([*words, "--noinput"] if "createsuperuser" in words else words)

    def start(self, command: str) -> None:
        extra = ["--server", self.kind] if "runws" in command else ["--noreload", f"127.0.0.1:{self.port}"]
        command_line = [sys.executable, *shlex.split(command)[1:], *extra]
        self.children.append(
            subprocess.Popen(
                command_line, cwd=self.folder, env=self.environment, start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    def run(self, words: list[str]) -> None:
        program = shutil.which(words[0], path=self.environment["PATH"])
        assert program, words
        done = subprocess.run(
            [program, *words[1:]], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def end(self) -> None:
        for child in self.children:
            child.send_signal(signal.SIGINT)
        for child in self.children:
            child.wait(2 * PATIENCE)


@pytest.fixture
def reader(browser: object, server_kind: str, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, server_kind)
    yield reader
    reader.end()


def open_when_up(page: Page, url: str) -> None:
    for _ in range(600):
        try:
            page.goto(url)
        except Exception:
            page.wait_for_timeout(100)
        else:
            return
    raise AssertionError(f"nothing answers at {url}")


def test_the_tutorial(reader: Reader, new_page: Callable[[], Page]) -> None:
    *steps, publishing = snippets(ROOT / "docs/tutorial.md")
    for step in steps:
        reader.follow(step)
    url = f"http://localhost:{reader.port}"
    page = new_page()
    open_when_up(page, f"{url}/admin/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", "secret")
    page.click("[type=submit]")
    page.goto(url)
    expect(page.locator("#state")).to_have_text("connected")
    expect(page.locator("h1")).to_have_text("Hello ann")
    reader.follow(publishing)
    expect(page.locator("#messages li")).to_have_text(["$users: Hello from Python", "news: For everybody"])
