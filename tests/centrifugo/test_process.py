"""Finding the server's binary, asking it, and its config file; running it is in tests/management/test_runws.py."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest
from pytest_django import Settings

from instant.centrifugo import binary, process
from instant.centrifugo.binary import reported_version, require_version_6
from instant.centrifugo.config import render
from instant.exceptions import ServerFailed, ServerNotFound


def program(path: Path, script: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nowhere(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither BASE_DIR nor PATH has a server."""
    settings.BASE_DIR = tmp_path
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_the_setting_wins_then_the_folder_then_the_path(settings: Settings, tmp_path: Path) -> None:
    on_path = program(tmp_path / "bin" / "centrifugo")
    assert binary.find_binary() == on_path
    installed = program(tmp_path / "centrifugo" / "centrifugo")
    assert binary.find_binary() == installed
    named = program(tmp_path / "elsewhere" / "my-server")
    for value in (str(named), named):
        settings.CENTRIFUGO_BINARY = value
        assert binary.find_binary() == named


def test_the_setting_may_be_a_name_on_the_path(settings: Settings, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "centrifugo6")
    settings.CENTRIFUGO_BINARY = "centrifugo6"
    assert binary.find_binary() == tmp_path / "bin" / "centrifugo6"


def test_a_base_dir_of_text_is_a_folder_too(settings: Settings, tmp_path: Path) -> None:
    settings.BASE_DIR = str(tmp_path)
    assert binary.install_dir() == tmp_path / "centrifugo"


def test_what_is_not_there_is_reported_with_what_to_do(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ServerNotFound, match=r"manage.py installws.*CENTRIFUGO_BINARY"):
        binary.find_binary()
    (tmp_path / "not-executable").write_text("")
    for value in ("no-such-program", str(tmp_path / "not-executable"), str(tmp_path)):
        settings.CENTRIFUGO_BINARY = value
        with pytest.raises(ServerNotFound, match="CENTRIFUGO_BINARY is"):
            binary.find_binary()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Centrifugo v6.9.1 (Go version: go1.26.8)", "6.9.1"),
        ("Centrifugo v0.0.0 (Go version: go1.26.8)", "0.0.0"),
        ("4.0.4", "4.0.4"),
    ],
)
def test_the_version_is_what_the_binary_says(tmp_path: Path, said: str, version: str) -> None:
    assert reported_version(program(tmp_path / "c", f"echo '{said}'")) == version


def test_what_tells_no_version_is_not_the_server(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="is not Centrifugo"):
        require_version_6(program(tmp_path / "c", "echo hello"))
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    with pytest.raises(ServerFailed, match="cannot be run"):
        reported_version(broken)


@pytest.mark.parametrize("version", ["4.0.4", "5.4.9", "7.0.0", "60.0.0"])
def test_another_major_version_is_refused(tmp_path: Path, version: str) -> None:
    other = program(tmp_path / "c", f"echo 'Centrifugo v{version}'")
    with pytest.raises(ServerFailed, match=rf"is Centrifugo {version}, but version 6 is required: run `manage"):
        require_version_6(other)


@pytest.mark.parametrize("version", ["6.0.0", "6.12.3", "0.0.0"])
def test_version_6_and_development_builds_are_taken(tmp_path: Path, version: str) -> None:
    require_version_6(program(tmp_path / "c", f"echo 'Centrifugo v{version}'"))


def test_the_config_file_is_ours_alone_and_gone_afterwards() -> None:
    before = os.umask(0)
    try:
        with process.config_file({"key": "ü"}) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert json.loads(path.read_text()) == {"key": "ü"}
    finally:
        os.umask(before)
    assert not path.parent.exists()


def test_the_config_file_goes_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), process.config_file({}) as path:
        raise ZeroDivisionError
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'plain text' >&2; exit 1", "plain text"),
        ("""echo '{"level":"fatal","error":"bad regex","message":"error"}' >&2; exit 1""", "bad regex"),
        ("""echo '{"level":"info"}' >&2; echo '{"message":"on stdout"}'; exit 1""", '{"level":"info"}'),
        ("echo 'on stdout'; exit 1", "on stdout"),
        ("exit 3", "no reason given"),
    ],
)
def test_a_refused_config_tells_why_in_one_line(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(ServerFailed) as caught:
        process.check_config(program(tmp_path / "c", script), tmp_path / "config.json")
    assert str(caught.value) == f"Centrifugo refuses its config: {reason}"


def test_the_real_server_says_why_it_refuses(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.undo()
    need = pytest.importorskip("shutil").which("centrifugo")
    if need is None:
        pytest.skip("Centrifugo: no binary on PATH")
    settings.INSTANT_NAMESPACES = {"chat": {"channel_regex": "["}}
    with (
        process.config_file(render()) as path,
        pytest.raises(ServerFailed, match=r"refuses its config: .*regex") as told,
    ):
        process.check_config(Path(need), path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", ""])
def test_a_port_in_use_is_reported(address: str) -> None:
    with socket.create_server((address or "0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerFailed, match=rf"Cannot listen on {address}:{port}: .*in use. Stop the program"):
            process.require_free_port(address, port)
    process.require_free_port(address, port)


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 65536), ("127.0.0.1", -1), ("203.0.113.1", 8427)])
def test_a_place_where_nobody_can_listen_is_reported(address: str, port: int) -> None:
    with pytest.raises(ServerFailed, match="Cannot listen on"):
        process.require_free_port(address, port)


def test_the_servers_environment_has_no_settings_of_django(monkeypatch: pytest.MonkeyPatch) -> None:
    """CENTRIFUGO_PORT of a .env file means Django's setting; to the server it is an unknown key, and a warning."""
    for name in ("CENTRIFUGO_PORT", "CENTRIFUGO_API_KEY", "CENTRIFUGO_LOG_LEVEL", "OTHER"):
        monkeypatch.setenv(name, "x")
    names = set(process.environment())
    assert {"CENTRIFUGO_LOG_LEVEL", "OTHER"} <= names
    assert not {"CENTRIFUGO_PORT", "CENTRIFUGO_API_KEY"} & names
