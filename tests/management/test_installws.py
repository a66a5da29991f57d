"""`manage.py installws`, end to end against a local server."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import ManagementUtility, call_command
from django.core.management.base import CommandError, OutputWrapper
from pytest_django import Settings

from instant.centrifugo import install as installer
from instant.centrifugo.binary import reported_version
from instant.centrifugo.install import VERSION, Release
from instant.exceptions import InvalidSetting
from instant.management.commands.installws import _Bar

from ..centrifugo.test_install import Site, release_of, script, site, tar_gz

__all__ = ["site"]


@pytest.fixture
def project(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on a Linux machine, seen from another folder."""
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    settings.BASE_DIR = tmp_path / "project"
    settings.BASE_DIR.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return Path(settings.BASE_DIR)


@pytest.fixture
def releases(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(installer, "RELEASES", site.url)
    for version in (VERSION, "6.8.0"):
        site.publish(Release(version, "linux", "amd64"))
    return site


def run(*args: str, **options: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("installws", *args, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def put(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    binary = folder / "centrifugo"
    binary.write_bytes(content)
    binary.chmod(0o755)
    return binary


def test_the_server_is_installed(project: Path, releases: Site) -> None:
    out, err = run()
    binary = project / "centrifugo" / "centrifugo"
    assert reported_version(binary) == VERSION
    assert err == ""
    assert f"Installing Centrifugo {VERSION} for linux amd64" in out
    assert re.search(r"\n  0.0 of 0.0 MB, 0 %\n(  .*%\n)*  0.0 of 0.0 MB, 100 %\n", out)
    assert f"Installed Centrifugo {VERSION}: {binary}" in out
    assert "CENTRIFUGO_BINARY" not in out
    assert out.endswith("    python manage.py runws\n")
    assert [path.name for path in project.rglob("*")] == ["centrifugo", "centrifugo"]


def test_the_next_steps_show_the_settings_as_they_are(project: Path, releases: Site, settings: Settings) -> None:
    settings.SITE_NAME, settings.CENTRIFUGO_PORT = "Shop", 9000
    first, second = run()[0], run("--force")[0]
    for line in ("    SITE_NAME = 'Shop'", "    CENTRIFUGO_HOST = 'http://localhost'", "    CENTRIFUGO_PORT = 9000"):
        assert line in first.splitlines()
    keys = re.findall(r"^    # CENTRIFUGO_(HMAC|API)_KEY = '([\w-]{64})'$", first + second, re.MULTILINE)
    assert [name for name, _ in keys] == ["HMAC", "API"] * 2
    assert len({key for _, key in keys}) == 4
    settings.CENTRIFUGO_HMAC_KEY = settings.CENTRIFUGO_API_KEY = "explicit"
    assert "_KEY" not in run("--force")[0]


def test_another_folder(project: Path, releases: Site, tmp_path: Path) -> None:
    out, _ = run("--dir", "bin/server")
    assert f"    CENTRIFUGO_BINARY = '{project}/bin/server/centrifugo'  # add this" in out
    run(f"--dir={tmp_path}/absolute")
    assert reported_version(tmp_path / "absolute" / "centrifugo") == VERSION


def test_without_base_dir_the_folder_is_here(project: Path, releases: Site, settings: Settings) -> None:
    del settings.BASE_DIR
    run()
    assert reported_version(Path.cwd() / "centrifugo" / "centrifugo") == VERSION


def test_what_is_installed_stays(project: Path, releases: Site) -> None:
    binary = put(project / "centrifugo", script("6.8.0"))
    before = binary.stat()
    for args in ((), ("--version", "6.8.0"), ("--version=v6.8.0",)):
        out, _ = run(*args)
        assert out.startswith(f"Centrifugo 6.8.0 is already installed in {binary.parent}.")
        assert f"installws --version {VERSION}" in out
    assert binary.stat() == before
    assert not releases.seen


def test_another_version_or_force_replaces_it(project: Path, releases: Site) -> None:
    binary = put(project / "centrifugo", script("6.8.0"))
    assert f"Installed Centrifugo {VERSION}" in run("--version", VERSION)[0]
    assert "installws --force" in run()[0]
    binary.write_bytes(script(VERSION) + b"# by hand\n")
    run("--force")
    assert binary.read_bytes() == script(VERSION)
    assert "Installed Centrifugo 6.8.0" in run(version="6.8.0")[0]


@pytest.mark.parametrize("name", ["6.8.0", "v6.8.0"])
def test_the_version_may_stand_beside_the_file(name: str, project: Path) -> None:
    Path("centrifugo_6.8.0_linux_amd64.tar.gz").write_bytes(release_of("6.8.0"))
    out, err = run("--from", "centrifugo_6.8.0_linux_amd64.tar.gz", "--version", name)
    assert "Installed Centrifugo 6.8.0" in out
    assert "centrifugo_6.8.0_checksums.txt" in err


def test_a_file_that_does_not_run_is_replaced_by_force_only(project: Path, releases: Site) -> None:
    binary = put(project / "centrifugo", b"not a program")
    with pytest.raises(CommandError, match=r"cannot be run as Centrifugo .* Replace it with `installws --force`"):
        run("--version", VERSION)
    assert binary.read_bytes() == b"not a program"
    run("--force")
    assert reported_version(binary) == VERSION


def test_from_a_local_file(project: Path, site: Site) -> None:
    name = "centrifugo_6.8.0_linux_amd64.tar.gz"
    Path(name).write_bytes(release_of("6.8.0"))
    out, err = run("--from", name)
    assert "Installed Centrifugo 6.8.0" in out
    assert err == (
        f"Warning: {name} was not checked: there is no centrifugo_6.8.0_checksums.txt and no {name}.sha256 beside it.\n"
    )
    assert "already installed" in run("--from", name)[0]
    with pytest.raises(CommandError, match=r"is version 6.8.0, but --version is 6.9.0. Remove --version"):
        run("--from", name, "--version", "6.9.0")


def test_from_an_address(project: Path, site: Site) -> None:
    release = Release("6.8.0", "linux", "amd64")
    site.publish(release, folder="/mirror")
    assert "Installed Centrifugo 6.8.0" in run("--from", f"{site.url}/mirror/{release.archive}")[0]


def test_a_server_for_another_cpu_is_reported(project: Path) -> None:
    Path("a.tar.gz").write_bytes(tar_gz(("centrifugo", b"\x7fELF for another CPU")))
    out, err = run("--from", "a.tar.gz")
    assert "cannot be run as Centrifugo on this machine: Exec format error" in err
    assert "Installed" not in out


def test_quiet(project: Path, releases: Site) -> None:
    assert run(verbosity=0) == ("", "")
    assert run(verbosity=0) == ("", "")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--version", "6.7.7"), "There is no Centrifugo 6.7.7 at .* pass it with --version"),
        (("--version", "latest"), "'latest' is not a version of Centrifugo"),
        (("--from", "missing.tar.gz"), "Cannot read missing.tar.gz: No such file"),
        (("--dir", "manage.py"), "manage.py is a file, not a directory"),
    ],
)
def test_a_failure_is_one_line_and_status_1(
    args: tuple[str, ...], text: str, project: Path, releases: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "manage.py").touch()
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", "installws", "--no-color", *args]).execute()
    assert left.value.code == 1
    assert re.fullmatch(f"CommandError: .*{text}.*\n", capsys.readouterr().err)
    assert [path.name for path in project.rglob("*")] == ["manage.py"]


def test_an_unsupported_machine(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(CommandError, match="no release for linux on riscv64, only for linux"):
        run()


def test_an_interrupt_is_no_traceback(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(installer, "install", stop)
    with pytest.raises(CommandError, match="nothing was installed") as stopped:
        run()
    assert stopped.value.returncode == 130


def test_the_config_is_printed_and_nothing_else_is_done(
    project: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instant.centrifugo.config.render", lambda: {"client": {"a": 1}})
    assert run("--print-config", "--force") == ('{\n  "client": {\n    "a": 1\n  }\n}\n', "")
    assert not any(project.iterdir())


def test_the_real_config_can_be_printed(settings: Settings) -> None:
    assert isinstance(json.loads(run("--print-config")[0]), dict)
    settings.CENTRIFUGO_PORT = "8427"
    with pytest.raises(CommandError, match="CENTRIFUGO_PORT") as caught:
        run("--print-config")
    assert isinstance(caught.value.__cause__, InvalidSetting)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_on_a_terminal() -> None:
    terminal = Terminal()
    with _Bar(OutputWrapper(terminal), shown=True) as bar:
        for done in (0, 1, 2_000_000, 4_000_000):
            bar(done, 4_000_000)
    assert terminal.getvalue() == (
        f"\r[{'':30}] 0.0 of 4.0 MB, 0 %\r[{'#' * 15:30}] 2.0 of 4.0 MB, 50 %\r[{'#' * 30}] 4.0 of 4.0 MB, 100 %\n"
    )


@pytest.mark.parametrize(("out", "lines"), [(io.StringIO, 2), (Terminal, 41)])
def test_the_bar_where_the_size_is_unknown(out: type[io.StringIO], lines: int) -> None:
    written = out()
    with _Bar(OutputWrapper(written), shown=True) as bar:
        for done in range(0, 41 << 20, 1 << 18):
            bar(done, None)
    assert len(re.split(r"[\r\n]+", written.getvalue().strip())) == lines
    assert "%" not in written.getvalue()


def test_a_failing_download_ends_the_bar_with_its_line() -> None:
    terminal = Terminal()

    def break_off() -> None:
        with _Bar(OutputWrapper(terminal), shown=True) as bar:
            bar(0, 10)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert terminal.getvalue().endswith("0 %\n")
