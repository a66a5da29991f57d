"""The installer: where a release comes from, what is taken out of it, and what is left when something fails."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import random
import socket
import stat
import tarfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from instant.centrifugo import install as module
from instant.centrifugo.binary import reported_version
from instant.centrifugo.install import Release, install, version_in_name
from instant.exceptions import InstallError, ServerFailed

LINUX = Release("6.9.1", "linux", "amd64")
WINDOWS = Release("6.9.1", "windows", "amd64")


def script(version: str) -> bytes:
    """A server that can say its version, and nothing else."""
    return f"#!/bin/sh\n[ \"$1\" = version ] && echo 'Centrifugo v{version} (Go version: go1.25.1)'\n".encode()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, size, 0o4777
    return info


def tar_gz(*members: tuple[tarfile.TarInfo | str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for member, content in members:
            info = entry(member) if isinstance(member, str) else member
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Two of one name are meant.
                archive.writestr(info, content)
    return out.getvalue()


def release_of(version: str) -> bytes:
    return tar_gz(("LICENSE", b"MIT"), ("README.md", b"read"), ("centrifugo", script(version)))


def sums_line(content: bytes, name: str) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()


Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A local server: its paths and what they answer, and the requests that it saw."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, bytes | int | Answer] = {}
        self.seen: list[str] = []
        self.encodings: set[str] = set()

    def publish(self, release: Release, content: bytes | None = None, folder: str | None = None) -> bytes:
        content = release_of(release.version) if content is None else content
        folder = f"/v{release.version}" if folder is None else folder
        other = sums_line(b"other", "centrifugo_other.tar.gz")
        self.answers[f"{folder}/{release.archive}"] = content
        self.answers[f"{folder}/{release.sums}"] = other + sums_line(content, release.archive) + other
        return content

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        self.seen.append(handler.path)
        self.encodings.add(handler.headers["Accept-Encoding"])
        answer = self.answers.get(path, 404)
        if isinstance(answer, int):
            handler.send_error(answer)
        elif isinstance(answer, bytes):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)
        else:
            answer(handler)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.answer(self)

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests clean."""

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Site(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield here
        server.shutdown()
        thread.join()


@contextmanager
def failing(text: str, root: Path) -> Iterator[None]:
    """Expect an error of one line, and that nothing under `root` changed."""
    before = {path: path.is_file() and path.read_bytes() for path in root.rglob("*")}
    with pytest.raises((InstallError, ServerFailed), match=text) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert {path: path.is_file() and path.read_bytes() for path in root.rglob("*")} == before


def redirect(to: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def cut(content: bytes, *, pause: float = 0, length: int | None = None) -> Answer:
    """Promise more than is sent."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(length or len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        time.sleep(pause)

    return answer


@pytest.mark.parametrize(
    ("system", "machine", "archive"),
    [
        ("Linux", "x86_64", "centrifugo_6.9.1_linux_amd64.tar.gz"),
        ("Linux", "aarch64", "centrifugo_6.9.1_linux_arm64.tar.gz"),
        ("Linux", "armv6l", "centrifugo_6.9.1_linux_armv6.tar.gz"),
        ("Linux", "armv7l", "centrifugo_6.9.1_linux_armv6.tar.gz"),
        ("Darwin", "x86_64", "centrifugo_6.9.1_darwin_amd64.tar.gz"),
        ("Darwin", "arm64", "centrifugo_6.9.1_darwin_arm64.tar.gz"),
        ("FreeBSD", "amd64", "centrifugo_6.9.1_freebsd_amd64.tar.gz"),
        ("Windows", "AMD64", "centrifugo_6.9.1_windows_amd64.zip"),
        ("FreeBSD", "arm64", None),
        ("Windows", "ARM64", None),
        ("Linux", "riscv64", None),
        ("OpenBSD", "amd64", None),
        ("", "", None),
    ],
)
def test_platforms(system: str, machine: str, archive: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    if archive is None:
        with pytest.raises(InstallError, match=r"linux \(amd64 arm64 armv6\), darwin .* CENTRIFUGO_BINARY"):
            Release.for_this_machine()
        return
    release = Release.for_this_machine("v6.9.1")
    assert release.archive == archive
    assert release.binary == ("centrifugo.exe" if system == "Windows" else "centrifugo")
    base = "https://github.com/centrifugal/centrifugo/releases/download"
    assert release.url() == f"{base}/v6.9.1/{archive}"


@pytest.mark.parametrize("version", ["", "latest", "6", "6.9", "../6.9.1", "6.9.1/..", "6.9.1 ", "\u0666.9.1"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InstallError, match="such as"):
        Release(version, "linux", "amd64")


def test_the_version_is_read_from_a_name() -> None:
    assert version_in_name("/tmp/centrifugo_6.8.0-rc.1_linux_amd64.tar.gz") == "6.8.0-rc.1"
    assert version_in_name("https://m.example/x/centrifugo_6.8.0_linux_amd64.tar.gz?sig=1") == "6.8.0"
    assert version_in_name(Path("centrifugo.tar.gz")) is None


def test_a_release_is_installed(site: Site, tmp_path: Path) -> None:
    content = site.publish(LINUX)
    steps: list[tuple[int, int | None]] = []
    folder = tmp_path / "a" / "b"
    target = install(LINUX, folder, None, lambda *step: steps.append(step), releases=site.url + "/")
    assert [path.name for path in folder.iterdir()] == ["centrifugo"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert reported_version(target) == "6.9.1"
    assert (steps[0], steps[-1]) == ((0, len(content)), (len(content), len(content)))
    assert site.seen == [f"/v6.9.1/{LINUX.sums}", f"/v6.9.1/{LINUX.archive}"]
    assert site.encodings == {"identity"}


def test_progress_goes_up_piece_by_piece(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.unpacking, "CHUNK", 100)
    total = len(site.publish(LINUX))
    steps: list[tuple[int, int | None]] = []
    install(LINUX, tmp_path, None, lambda *step: steps.append(step), releases=site.url)
    assert steps == [(done, total) for done in [*range(0, total, 100), total]]


def test_windows_gets_its_exe_out_of_a_zip(site: Site, tmp_path: Path) -> None:
    site.publish(WINDOWS, zipped(("README.md", b"read", 0), ("centrifugo.exe", b"MZ", stat.S_IFREG | 0o755)))
    target = install(WINDOWS, tmp_path, releases=site.url)
    assert (target.name, target.read_bytes()) == ("centrifugo.exe", b"MZ")


def test_a_binary_or_a_link_in_its_place_is_replaced(site: Site, tmp_path: Path) -> None:
    site.publish(LINUX)
    (tmp_path / "system").write_text("untouched")
    (tmp_path / "centrifugo").symlink_to(tmp_path / "system")
    target = install(LINUX, tmp_path, releases=site.url)
    assert reported_version(target) == "6.9.1"
    assert not target.is_symlink()
    assert (tmp_path / "system").read_text() == "untouched"


@pytest.mark.parametrize("sums", ["checksums", "sha256", "sha256 alone", "SHA256 binary mark", None])
@pytest.mark.parametrize("kind", [str, Path, "file", "http"])
def test_another_archive(kind: object, sums: str | None, site: Site, tmp_path: Path) -> None:
    content = release_of("6.9.1")
    digest = hashlib.sha256(content).hexdigest()
    beside = {
        "checksums": (LINUX.sums, f"{digest}  {LINUX.archive}"),
        "sha256": (f"{LINUX.archive}.sha256", f"{digest}  {LINUX.archive}\n"),
        "sha256 alone": (f"{LINUX.archive}.sha256", digest),
        "SHA256 binary mark": (f"{LINUX.archive}.sha256", f"{digest.upper()} *{LINUX.archive}\r\n"),
    }
    files = {LINUX.archive: content, **({beside[sums][0]: beside[sums][1].encode()} if sums else {})}
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
        site.answers[f"/x/{name}"] = text
    path, warned = tmp_path / LINUX.archive, list[str]()
    sources: dict[object, str | Path] = {
        str: str(path),
        Path: path,
        "file": path.as_uri(),
        "http": f"{site.url}/x/{LINUX.archive}?sig=S",
    }
    if kind == "http" and sums is None:
        with failing("no SHA-256 checksums beside .*gz .*pass the file with --from", tmp_path):
            install(LINUX, tmp_path / "new", sources[kind])
        return
    install(LINUX, tmp_path / "new", sources[kind], warn=warned.append)
    assert [text.partition(" was ")[2][:11] for text in warned] == ([] if sums else ["not checked"])


def failing_answers(content: bytes) -> dict[str, tuple[str, Answer | bytes | int]]:
    """What goes wrong on the way of an archive: the words of the error, and what the server does."""
    return {
        "missing": ("HTTP status 404", 404),
        "overloaded": ("HTTP status 503 Service Unavailable. Check", 503),
        "cut": ("was interrupted in the middle of", cut(content)),
        "hanging": ("127.0.0.1 did not answer in time", lambda handler: time.sleep(0.4)),
        "stalled": ("127.0.0.1 did not answer in time", cut(content, pause=0.4)),
        "closed": ("Cannot reach 127.0.0.1", lambda handler: None),
        "endless redirects": ("Exceeded 3 redirects", redirect(f"/v6.9.1/{LINUX.archive}")),
        "changed": ("does not match its SHA-256 checksum", content[:-1] + b"!"),
        "too large": ("larger than", content + bytes(5000)),
    }


@pytest.mark.parametrize("case", failing_answers(b""))
def test_a_failing_download(case: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUTS", (1, 0.2))
    monkeypatch.setattr(module.unpacking, "MAX_BYTES", 4000)
    text, site.answers[f"/v6.9.1/{LINUX.archive}"] = failing_answers(site.publish(LINUX))[case]
    (tmp_path / "kept").write_text("kept")
    with failing(text, tmp_path):
        install(LINUX, tmp_path / "a" / "b", releases=site.url)


def test_a_short_body_is_noticed_without_the_http_library(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = site.publish(LINUX)
    monkeypatch.setattr(requests.Response, "iter_content", lambda self, size: iter([self.raw.read(50)]))
    monkeypatch.setattr(module, "_expected_sum", lambda *_, **__: "0" * 64)
    with failing(f"ended after 50 of {len(content)} bytes", tmp_path):
        install(LINUX, tmp_path, releases=site.url)


def test_without_the_network(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    with failing(r"Cannot reach 127.0.0.1 \(Connection refused\). Check .*--from", tmp_path):
        install(LINUX, tmp_path / "new", releases=closed)

    def lost(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", lost)
    with failing(r"Cannot reach releases.test \(Name or service not known\)", tmp_path):
        install(LINUX, tmp_path / "new", releases="https://releases.test")


def test_versions_and_sums_that_do_not_exist(site: Site, tmp_path: Path) -> None:
    with failing("There is no Centrifugo 6.9.1 at .* pass it with --version", tmp_path):
        install(LINUX, tmp_path / "new", releases=site.url)
    site.publish(LINUX)
    site.answers[f"/v6.9.1/{LINUX.sums}"] = sums_line(b"other", "other.tar.gz") + b"junk\n\xff\n" + b"0" * 64
    with failing(f"{LINUX.sums} has no SHA-256 checksum for {LINUX.archive}", tmp_path):
        install(LINUX, tmp_path / "new", releases=site.url)


def test_a_local_file_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(release_of("6.9.1"))
    (tmp_path / "a.tar.gz.sha256").write_bytes(sums_line(b"other", "a.tar.gz"))
    with failing(f"{tmp_path}/a.tar.gz does not match its SHA-256 checksum", tmp_path):
        install(LINUX, tmp_path / "new", tmp_path / "a.tar.gz")


def test_three_redirects_are_followed(site: Site, tmp_path: Path) -> None:
    site.publish(LINUX, folder="/moved")
    for name in (LINUX.archive, LINUX.sums):
        site.answers[f"/v6.9.1/{name}"] = redirect(f"/1/{name}")
        site.answers[f"/1/{name}"] = redirect(f"/2/{name}")
        site.answers[f"/2/{name}"] = redirect(f"{site.url}/moved/{name}")
    assert reported_version(install(LINUX, tmp_path, releases=site.url)) == "6.9.1"


def test_no_redirect_leads_from_https_to_a_plain_connection(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish(LINUX)

    def send(self: object, request: requests.PreparedRequest, **_: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 302, request, str(request.url)
        answer.headers["Location"], answer.raw = f"{site.url}/v6.9.1/{LINUX.sums}", io.BytesIO()
        return answer

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    with failing("No connection adapters were found for", tmp_path):
        install(LINUX, tmp_path / "new", releases="https://releases.test")


def test_a_proxy_of_the_environment_is_used(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.publish(LINUX)
    monkeypatch.setenv("HTTP_PROXY", site.url)
    install(LINUX, tmp_path, releases="http://releases.test")
    assert site.seen[0] == f"http://releases.test/v6.9.1/{LINUX.sums}"


def test_secrets_of_an_address_are_not_told(site: Site, tmp_path: Path) -> None:
    address = site.url.replace("//", "//me:pa55@") + f"/{LINUX.archive}?token=t0ken"
    with pytest.raises(InstallError) as caught:
        install(LINUX, tmp_path / "new", address)
    assert f"{site.url}/{LINUX.archive}" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("pa55", "t0ken"))


EVIL = script("0.0.666")
GOOD = ("centrifugo", script("6.9.1"))
ARCHIVES = {
    "paths that climb out": tar_gz(("../centrifugo", EVIL), ("/centrifugo", EVIL), ("x/../centrifugo", EVIL), GOOD),
    "a link of the same name first": tar_gz((entry("centrifugo", tarfile.SYMTYPE, "/bin/sh"), b""), GOOD),
    "a hard link": tar_gz((entry("centrifugo", tarfile.LNKTYPE, "../../etc/passwd"), b""), GOOD),
    "a device and a pipe": tar_gz(
        (entry("centrifugo", tarfile.CHRTYPE), b""), (entry("centrifugo", tarfile.FIFOTYPE), b""), GOOD
    ),
    "a sparse file": tar_gz((entry("centrifugo", tarfile.GNUTYPE_SPARSE), EVIL), GOOD),
    "a folder of the same name": tar_gz((entry("centrifugo", tarfile.DIRTYPE), b""), ("centrifugo/x", EVIL), GOOD),
    "a dot in front": tar_gz(("./LICENSE", b""), ("./centrifugo", GOOD[1])),
    "a zip": zipped(("../centrifugo", EVIL, 0), ("centrifugo", b"/bin/sh", stat.S_IFLNK), (*GOOD, stat.S_IFREG)),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_nothing_but_the_binary_is_taken(case: str, tmp_path: Path) -> None:
    source = tmp_path / "tricky.bin"
    source.write_bytes(ARCHIVES[case])
    target = install(LINUX, tmp_path / "new", source)
    assert target.read_bytes() == GOOD[1]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["centrifugo", "new", "tricky.bin"]


WRONG_ARCHIVES = {
    "empty": (b"", "broken|contains 0 files"),
    "html": (b"<!doctype html>", "The archive is broken .*Not a gzipped file.* download it again"),
    "cut": (release_of("6.9.1")[:-60], "The archive is broken"),
    "cut before gzip's sum": (release_of("6.9.1")[:-6], "The archive is broken"),
    "wrong sum of gzip": (release_of("6.9.1")[:-8] + bytes(8), "The archive is broken .*CRC"),
    "no tar inside": (gzip.compress(b"x" * 2000), "The archive is broken"),
    "broken zip": (zipped((*GOOD, 0))[:-30], "The archive is broken .*not a zip file"),
    "no binary": (tar_gz(("LICENSE", b"MIT")), "contains 0 files named centrifugo instead of one: choose the release"),
    "the one of Windows": (zipped(("centrifugo.exe", b"MZ", 0)), "contains 0 files named centrifugo"),
    "links only": (tar_gz((entry("centrifugo", tarfile.SYMTYPE, "/bin/sh"), b"")), "contains 0 files"),
    "two": (tar_gz(GOOD, GOOD), "contains 2 files"),
    "no content": (tar_gz(("centrifugo", b"")), "centrifugo is empty"),
    "bomb": (tar_gz(("centrifugo", bytes(300_000))), "unpacks to more than 100,000 bytes"),
    "bomb beside": (tar_gz(("LICENSE", bytes(300_000)), GOOD), "unpacks to more than 100,000 bytes"),
    "bomb in a zip": (zipped(("centrifugo", bytes(300_000), 0)), "unpacks to more than 100,000 bytes"),
}


@pytest.mark.parametrize("case", WRONG_ARCHIVES)
def test_a_wrong_archive(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.unpacking, "MAX_BYTES", 100_000)
    content, text = WRONG_ARCHIVES[case]
    (tmp_path / "wrong.tar.gz").write_bytes(content)
    with failing(text, tmp_path):
        install(LINUX, tmp_path / "a" / "b", tmp_path / "wrong.tar.gz")


@pytest.mark.parametrize(("number", "text"), [(errno.EINVAL, "The archive is broken"), (errno.EIO, "Cannot write to")])
def test_a_seek_to_nowhere_is_the_archives_fault(
    number: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.zip").write_bytes(zipped((*GOOD, 0)))
    monkeypatch.setattr("zipfile.ZipFile", fail)
    with failing(text, tmp_path):
        install(LINUX, tmp_path / "new", tmp_path / "a.zip")


@pytest.mark.parametrize("content", [release_of("6.9.1"), zipped((*GOOD, 0))], ids=["tar", "zip"])
def test_damage_anywhere_is_an_install_error(content: bytes, tmp_path: Path) -> None:
    dice = random.Random(7)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            install(LINUX, tmp_path / "new", tmp_path / "damaged").unlink()
            (tmp_path / "new").rmdir()
        except InstallError:
            assert os.listdir(tmp_path) == ["damaged"]


@pytest.mark.parametrize(
    "place", ["missing.tar.gz", ".", "nowhere/a.tar.gz", "http://[::1", "ftp://x/y.zip", "", f"http://{80 * 'x'}.test"]
)
def test_a_source_that_cannot_be_read(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    warned = list[str]()
    with failing("^(Cannot read|Cannot download|http://.* is not a valid URL)", tmp_path):
        install(LINUX, tmp_path / "new", place, warn=warned.append)
    assert not warned


def test_a_place_that_cannot_be_used(site: Site, tmp_path: Path) -> None:
    site.publish(LINUX)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "taken" / "centrifugo").mkdir(parents=True)
    for folder, text in (
        ("file", "is a file, not a directory"),
        ("file/below", "is a file"),
        ("taken", "is a directory"),
    ):
        with failing(f"{text}.* --dir", tmp_path):
            install(LINUX, tmp_path / folder, releases=site.url)
    assert not site.seen, "the download did not wait for the check"


@pytest.mark.parametrize(
    ("number", "text"),
    [(errno.ENOSPC, "disk of .* is full: free"), (errno.EACCES, "Cannot write to .*ermission denied")],
)
@pytest.mark.parametrize("call", ["os.replace", "os.fsync", "tempfile.mkstemp", "tempfile.TemporaryFile"])
def test_errors_of_the_disk(
    call: str, number: int, text: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish(LINUX)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(call, fail)
    with failing(text, tmp_path):
        install(LINUX, tmp_path / "a" / "b", releases=site.url)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
@pytest.mark.parametrize("what", ["archive", "binary"])
def test_a_full_disk(what: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def binary(*, dir: Path, prefix: str) -> tuple[int, str]:  # noqa: A002
        (dir / prefix).touch()
        return os.open("/dev/full", os.O_WRONLY), str(dir / prefix)

    site.publish(LINUX)
    if what == "archive":
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: open("/dev/full", "wb"))  # noqa: SIM115
    else:
        monkeypatch.setattr("tempfile.mkstemp", binary)
    with failing("disk of .* is full: free", tmp_path):
        install(LINUX, tmp_path / "a" / "b", releases=site.url)


def test_an_interrupt_leaves_nothing_and_the_old_server_stays(site: Site, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    site.publish(LINUX)
    with pytest.raises(KeyboardInterrupt):
        install(LINUX, tmp_path / "a" / "b", None, stop, releases=site.url)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("echo Centrifugo v6.9.1-rc.1 '(Go version: go1.25)'", "6.9.1-rc.1"),
        ("echo v6.0.0 >&2", "6.0.0"),
        ("echo built by hand", "built by hand"),
        ("true", "of unknown version"),
        ("exit 3", None),
        ("kill -9 $$", None),
    ],
)
def test_a_server_is_asked_for_its_version(body: str, version: str | None, tmp_path: Path) -> None:
    binary = tmp_path / "centrifugo"
    binary.write_text(f"#!/bin/sh\n{body}\n")
    binary.chmod(0o755)
    if version:
        assert reported_version(binary) == version
        return
    with failing("cannot be run as Centrifugo on this machine: ", tmp_path):
        reported_version(binary)


def test_what_cannot_run_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "centrifugo").write_bytes(b"\x7fELF nothing for this CPU")
    with failing("cannot be run as Centrifugo on this machine: Permission denied", tmp_path):
        reported_version(tmp_path / "centrifugo")
    (tmp_path / "centrifugo").chmod(0o755)
    with failing("cannot be run as Centrifugo on this machine: Exec format error", tmp_path):
        reported_version(tmp_path / "centrifugo")
