"""runws hands the running server what has changed: by itself in DEBUG, and at SIGHUP."""

from __future__ import annotations

import os
import pty
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from instant.access.tokens import _signed, channel_token_for
from instant.centrifugo import config_reloading, http
from instant.centrifugo.config_reloading import Reloader, _differences
from instant.exceptions import ServerError, ServerFailed
from instant.testing.live_servers import wait_until_listening
from tests.clients import SyncClient
from tests.management.test_runws import PATIENCE, SETTINGS, Site, is_free

RULES = """
from instant import rule

print("a project that talks")

@rule("$%s:<int:pk>")
def readers(user, pk):
    return True
"""


class App(Site):
    """A site with an app of its own, named posts."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        apps = [*SETTINGS["INSTALLED_APPS"], "posts"]
        super().__init__(folder, **{"INSTALLED_APPS": apps, **settings})
        self.package = folder / "posts"
        self.package.mkdir()
        (self.package / "__init__.py").write_text("")
        self.settings = (folder / "site_settings.py").read_text()

    def write(self, text: str, name: str = "channels.py") -> None:
        """Write a file of the app as an editor does, in one go."""
        new = self.package / f".{name}"
        new.write_text(text)
        new.replace(self.package / name)

    def change(self, **values: Any) -> None:
        text = self.settings + "".join(f"{name} = {value!r}\n" for name, value in values.items())
        (self.folder / "site_settings.py").write_text(text)

    def publish(self, channel: str) -> int:
        """Publish, and return the server's error code, 0 for none."""
        with override_settings(
            CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=self.port, SECRET_KEY=SETTINGS["SECRET_KEY"]
        ):
            try:
                http.post("publish", b'{"channel": "%b", "data": 1}' % channel.encode())
            except ServerError as error:
                return error.code
        return 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "".join(self.output)
            time.sleep(0.05)

    def said(self, text: str) -> int:
        return sum(text in line for line in self.output)

    def hang_up(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Callable[..., App]]:
    made: list[App] = []

    def make(**settings: Any) -> App:
        made.append(App(tmp_path, **settings))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None:
            each.end(signal.SIGTERM)


def test_a_new_rule_is_known_to_the_running_server(app: Callable[..., App], server_kind: str) -> None:
    here = app()
    here.start("--server", server_kind)
    assert here.publish("$post:1") == 102
    with override_settings(SECRET_KEY=SETTINGS["SECRET_KEY"]):
        with SyncClient(f"ws://127.0.0.1:{here.port}", connection_token_of("5")) as client:  # who stays connected
            here.write(RULES % "post")
            here.wait_for(lambda: here.publish("$post:1") == 0)
            client.join("$post:1", channel_token_for("5", "$post:1"))
            here.publish("$post:1")
            client.wait(lambda: len(client.received) >= 1)
            assert [event for event, _ in client.happened].count("connected") == 1
    here.wait_for(lambda: here.said("The server has reloaded its config. Namespaces: post.") == 1)
    here.write(RULES % "chat")
    here.wait_for(lambda: here.publish("$chat:1") == 0 and here.publish("$post:1") == 102)
    assert here.end(signal.SIGTERM) == 0
    assert list(here.temporary.iterdir()) == []


def connection_token_of(sub: str) -> str:
    return _signed(sub, 600, {})


def test_a_project_that_is_broken_for_a_moment(app: Callable[..., App], server_kind: str) -> None:
    here = app()
    here.write(RULES % "post")
    here.start("--server", server_kind)
    assert here.publish("$post:1") == 0
    here.write("def broken(:\n")
    here.wait_for(
        lambda: here.said("The server keeps its current config: the config could not be rendered: SyntaxError") == 1
    )
    here.write("from instant import rule\nrule('$p:<int:pk>')(print)\nINSTANT_NAMESPACES = 1\n")
    here.wait_for(lambda: here.publish("$post:1") == 102)
    here.write(RULES % "post")
    here.wait_for(lambda: here.publish("$post:1") == 0)
    assert "Traceback" not in "".join(here.output)


def test_what_the_server_refuses_changes_nothing(app: Callable[..., App], centrifugo: None) -> None:
    here = app(INSTANT_NAMESPACES={"chat": {}})
    here.start("--server", "centrifugo")
    here.change(INSTANT_NAMESPACES={"chat": {"channel_regex": "["}})
    here.wait_for(lambda: here.said("The server keeps its current config: Centrifugo refuses its config") == 1)
    assert here.publish("chat:1") == 0
    here.change(INSTANT_NAMESPACES={"chat": {"histroy_size": 5}})
    here.wait_for(lambda: here.said("Centrifugo 6 has no option histroy_size") == 1)
    assert here.publish("chat:1") == 0


def test_what_needs_another_start_is_reported_once(app: Callable[..., App], server_kind: str) -> None:
    here = app()
    here.start("--server", server_kind)
    here.change(ALLOWED_HOSTS=["example.org"], INSTANT_NAMESPACES={"chat": {}})
    told = "Restart runws: the server reads client.allowed_origins only when it starts."
    here.wait_for(lambda: here.said(told) == 1 and here.publish("chat:1") == 0)
    here.change(ALLOWED_HOSTS=["example.org"], INSTANT_NAMESPACES={"team": {}})
    here.wait_for(lambda: here.publish("team:1") == 0)
    assert here.said(told) == 1


def test_by_hand_without_debug(app: Callable[..., App], server_kind: str) -> None:
    here = app(DEBUG=False, ALLOWED_HOSTS=["example.org"])
    here.start("--server", server_kind, *(["--insecure-dev"] if server_kind == "dev" else []))
    here.write(RULES % "post")
    time.sleep(1.5)
    assert here.publish("$post:1") == 102  # nobody watches
    here.hang_up()
    here.wait_for(lambda: here.publish("$post:1") == 0)
    here.wait_for(lambda: here.said("has reloaded its config") == 1)
    here.hang_up()
    here.wait_for(lambda: here.said("The config has not changed.") == 1)
    assert here.end(signal.SIGTERM) == 0


def test_new_keys_are_taken(app: Callable[..., App], server_kind: str) -> None:
    here = app()
    here.start("--server", server_kind)
    with override_settings(CENTRIFUGO_HMAC_KEY="k" * 40):
        token = connection_token_of("5")
    here.change(CENTRIFUGO_HMAC_KEY="k" * 40, INSTANT_NAMESPACES={"chat": {}})
    here.wait_for(lambda: here.said("has reloaded its config") == 1)
    here.wait_for(lambda: here.publish("chat:1") == 0)  # it reads when it has been told
    with SyncClient(f"ws://127.0.0.1:{here.port}", token) as client:
        assert ("connected", 0) in client.happened


def test_the_file_stays_ours_alone(app: Callable[..., App], centrifugo: None) -> None:
    here = app()
    here.start("--server", "centrifugo")
    here.write(RULES % "post")
    here.wait_for(lambda: here.publish("$post:1") == 0)
    (folder,) = here.temporary.iterdir()
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_closed_terminal_ends_the_server(app: Callable[..., App], server_kind: str) -> None:
    try:
        main, terminal = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be made here: {error}")
    here = app()
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
            "os.execv(sys.executable, [sys.executable, '-m', 'django', 'runws', *sys.argv[1:]])",
            *("--server", server_kind),
        ],
        env=here.environment,
        cwd=here.folder,
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        os.close(terminal)
        wait_until_listening(here.port, child)
        os.close(main)
        assert child.wait(PATIENCE) == 0
        assert is_free(here.port)
        assert list(here.temporary.iterdir()) == []
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


# The parts


def config(**values: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "channel": {"namespaces": []},
        "client": {"token": "a", "concurrency": 8},
        "http_server": {},
    }
    return {**base, **values}


def test_what_is_handed_over_is_the_first_config_with_the_new_channels() -> None:
    handed, said = [], []
    new = config(
        channel={"namespaces": [{"name": "x1"}]}, client={"token": "b", "concurrency": 9}, http_server={"port": 1}
    )
    reloader = Reloader(config(), lambda: new, said.append, watch=False)
    reloader._renew(handed.append, False)
    reloader._renew(handed.append, False)
    assert handed == [config(channel={"namespaces": [{"name": "x1"}]}, client={"token": "b", "concurrency": 8})]
    assert said == [
        "The server has reloaded its config. Namespaces: x1.",
        "Restart runws: the server reads client.concurrency, http_server.port only when it starts.",
    ]


def test_what_could_not_be_handed_over_is_tried_again() -> None:
    said: list[str] = []
    reloader = Reloader(config(), lambda: config(channel={"namespaces": []} | {"x": 1}), said.append, watch=False)

    def refuse(_: object) -> None:
        raise ServerFailed("no")

    reloader._renew(refuse, False)
    handed: list[Any] = []
    reloader._renew(handed.append, False)
    assert len(handed) == 1
    assert said == ["The server keeps its current config: no", "The server has reloaded its config. Namespaces: none."]


def test_several_signals_at_the_same_time_are_one_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_reloading, "INTERVAL", 0.01)
    reloader = Reloader(config(), config, lambda text: None, watch=True)
    with reloader._at_hang_up():
        handler = signal.getsignal(signal.SIGHUP)
        assert callable(handler)
        for _ in range(50):
            handler(signal.SIGHUP, None)
    assert [reloader._is_asked(), reloader._is_asked()] == [True, False]


def test_differences() -> None:
    assert _differences(config(), config()) == []
    assert _differences(config(), config(channel=1, client={"token": "other", "concurrency": 8})) == []
    assert _differences(config(), config(engine={"type": "redis"}, http_server={"port": 2})) == [
        "engine",
        "http_server.port",
    ]
