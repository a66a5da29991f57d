"""Download Centrifugo's release for this machine, check its SHA-256 checksum, and install the binary."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import requests

from ..exceptions import InstallError
from . import unpacking
from .binary import VERSION_PATTERN

RELEASES: Final = "https://github.com/centrifugal/centrifugo/releases/download"
#: The release that this version of django-instant is tested with.
VERSION: Final = "6.9.1"
#: Seconds to wait for the connection, and for each part of the response.
TIMEOUTS = (10.0, 30.0)
#: A function that is called with the number of received bytes, and with the total number, which is None if unknown.
Progress = Callable[[int, "int | None"], None]

_CPUS = {"linux": "amd64 arm64 armv6", "darwin": "amd64 arm64", "freebsd": "amd64", "windows": "amd64"}
_CPU_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv6l": "armv6", "armv7l": "armv6", "armv8l": "armv6"}


@dataclass(frozen=True)
class Release:
    """One archive of one release, identified by the parts of its file name.

    Raises:
        InstallError: the version is not a valid version.
    """

    version: str
    system: str
    machine: str

    def __post_init__(self) -> None:
        if not re.fullmatch(VERSION_PATTERN, self.version, re.ASCII):
            raise InstallError(f"{self.version!r} is not a version of Centrifugo. Pass one such as {VERSION}.")

    @classmethod
    def for_this_machine(cls, version: str = VERSION) -> Release:
        """Return the release for the system and CPU of this process.

        Raises:
            InstallError: there is no release for this machine, or the version is not valid.
        """
        system, machine = platform.system().lower(), platform.machine().lower()
        cpu = _CPU_NAMES.get(machine, machine)
        if cpu not in _CPUS.get(system, "").split():
            supported = ", ".join(f"{name} ({cpus})" for name, cpus in _CPUS.items())
            raise InstallError(
                f"Centrifugo has no release for {system or '?'} on {machine or '?'}, only for {supported}. "
                "Build it from source and set CENTRIFUGO_BINARY to the file."
            )
        return cls(version.removeprefix("v"), system, cpu)

    @property
    def archive(self) -> str:
        """The file name of the archive."""
        kind = "zip" if self.system == "windows" else "tar.gz"
        return f"centrifugo_{self.version}_{self.system}_{self.machine}.{kind}"

    @property
    def sums(self) -> str:
        """The file name of the SHA-256 checksums."""
        return f"centrifugo_{self.version}_checksums.txt"

    @property
    def binary(self) -> str:
        """The file name of the server, in the archive and on this machine."""
        return "centrifugo.exe" if self.system == "windows" else "centrifugo"

    def url(self, releases: str = RELEASES) -> str:
        """Return the URL of the archive."""
        return f"{releases.rstrip('/')}/v{self.version}/{self.archive}"


def version_in_name(source: str | Path) -> str | None:
    """Return the version in the name of an archive, or None if the name is not that of a release."""
    found = re.match(rf"centrifugo_({VERSION_PATTERN})_", _name(_origin(source)), re.ASCII)
    return found[1] if found else None


def install(
    release: Release,
    directory: Path,
    source: str | Path | None = None,
    progress: Progress | None = None,
    *,
    warn: Callable[[str], None] | None = None,
    releases: str | None = None,
) -> Path:
    """Install the release's binary into `directory` and return its path. An existing binary is replaced.

    The directory is created if it does not exist. `source` is the archive to install instead of the
    published one: a local file or a URL. Its checksum file must be in the same place; if a local file has none, `warn`
    is called with a warning. Without `source`, `releases` is used instead of RELEASES.

    Raises:
        InstallError: the installation failed. The text says what to do, `__cause__` is the original exception, if there
            was one. No incomplete file is left.
    """
    origin = release.url(releases or RELEASES) if source is None else _origin(source)
    target = directory / release.binary
    with _folder(directory, target), tempfile.TemporaryFile(dir=directory) as downloaded:
        expected = _expected_sum(release, origin, published=source is None)
        found = _store(origin, downloaded, progress or (lambda done, total: None))
        if expected is None and warn:
            warn(f"{origin} was not checked: there is no {release.sums} and no {_name(origin)}.sha256 beside it.")
        if expected is not None and not hmac.compare_digest(found, expected):
            raise InstallError(
                f"{_shown(origin)} does not match its SHA-256 checksum ({found} instead of {expected}): "
                "it was damaged or tampered with. Nothing was installed. Download it again."
            )
        unpacking.put(downloaded, target)
    return target


@contextmanager
def _folder(directory: Path, target: Path) -> Iterator[None]:
    """Create the directory, and remove it again if the block fails. Report errors of the disk as InstallError."""
    made = [folder for folder in (directory, *directory.parents) if not os.path.exists(folder)]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise InstallError(f"{target} is a directory: move it away, or choose another directory with --dir.")
        yield
    except BaseException as error:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise InstallError(_disk_trouble(error, directory)) from error
        raise


def _disk_trouble(error: OSError, directory: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {directory} is full: free about 200 MB and try again."
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"{error.filename} is a file, not a directory: choose another directory with --dir."
    hint = "choose another directory with --dir, or stop the server if it runs from there"
    return f"Cannot write to {directory} ({error.strerror or error}): {hint}."


def _origin(source: str | Path) -> str | Path:
    """Return a URL unchanged, and a local file as a path. Raise InstallError if a URL is not valid."""
    try:
        scheme, _, path, *_ = urlsplit(str(source))
    except ValueError as error:
        raise InstallError(f"{source} is not a valid URL: {error}.") from error
    if scheme in ("http", "https") and isinstance(source, str):
        return source
    return Path(url2pathname(path) if scheme == "file" else source)


def _name(origin: str | Path) -> str:
    return origin.name if isinstance(origin, Path) else unquote(urlsplit(origin).path.rpartition("/")[2])


def _shown(origin: str | Path) -> str:
    """Return the origin without secrets: a URL may contain a password, or a signature in the query."""
    if isinstance(origin, Path):
        return str(origin)
    parts = urlsplit(origin)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _beside(origin: str | Path, name: str) -> str | Path:
    if isinstance(origin, Path):
        return origin.parent / name
    parts = urlsplit(origin)
    return parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}", query="", fragment="").geturl()


def _expected_sum(release: Release, origin: str | Path, *, published: bool) -> str | None:
    """Return the archive's checksum from the first checksum file beside it, or None for a local archive without one.

    Raises:
        InstallError: there is no such version, no checksum file for a URL, or no checksum of this archive in the file.
    """
    name = _name(origin)
    for sums in (_beside(origin, release.sums), _beside(origin, f"{name}.sha256")):
        with suppress(_Absent), _opened(sums) as (pieces, _):
            return _sum_in(b"".join(islice(pieces, 8)).decode(errors="replace"), name, sums)
    if isinstance(origin, Path):
        return None
    if published:
        raise InstallError(
            f"There is no Centrifugo {release.version} at {_shown(origin)}. Choose a version from "
            "https://github.com/centrifugal/centrifugo/releases and pass it with --version."
        )
    raise InstallError(
        f"There are no SHA-256 checksums beside {_shown(origin)} ({release.sums} or {name}.sha256). "
        "Download the archive, check it, and pass the file with --from."
    )


def _sum_in(text: str, name: str, sums: str | Path) -> str:
    alone = _name(sums).endswith(".sha256")
    for line in text.splitlines():
        digest, _, named = line.strip().partition(" ")
        fits = named.strip().removeprefix("*") == name or (alone and not named)
        if fits and re.fullmatch("[0-9a-fA-F]{64}", digest):
            return digest.lower()
    raise InstallError(f"{_shown(sums)} has no SHA-256 checksum for {name}. Keep the archive's original file name.")


class _Absent(InstallError):
    """The requested file does not exist."""


@contextmanager
def _opened(origin: str | Path) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Yield the content in chunks, and its size in bytes, which is None if unknown."""
    if isinstance(origin, str):
        with _answer(origin) as answer:
            length = answer.headers.get("Content-Length", "")
            yield answer.iter_content(unpacking.CHUNK), int(length) if length.isdigit() else None
        return
    try:
        file = origin.open("rb")
    except OSError as error:
        kind = _Absent if isinstance(error, (FileNotFoundError, NotADirectoryError)) else InstallError
        raise kind(f"Cannot read {origin}: {error.strerror}. Pass an archive with --from.") from error
    with file:
        yield iter(lambda: file.read(unpacking.CHUNK), b""), os.fstat(file.fileno()).st_size


@contextmanager
def _answer(url: str) -> Iterator[requests.Response]:
    try:
        with requests.Session() as session:
            session.max_redirects = 3
            if url.lower().startswith("https:"):
                # The checksums come from the same place as the archive, so only HTTPS protects both: no redirect may
                # lead to plain HTTP.
                del session.adapters["http://"]
            session.headers["Accept-Encoding"] = "identity"
            with session.get(url, stream=True, timeout=TIMEOUTS) as answer:
                answer.raise_for_status()
                yield answer
    # urllib3 raises ValueError for an invalid host name, and requests does not convert it.
    except (requests.RequestException, ValueError) as error:
        missing = getattr(getattr(error, "response", None), "status_code", 0) in (404, 410)
        raise (_Absent if missing else InstallError)(_network_trouble(error, url)) from error


def _network_trouble(error: Exception, url: str) -> str:
    root: BaseException = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    host = urlsplit(url).hostname
    match error:
        case requests.HTTPError(response=requests.Response() as answer):
            what = f"The server responded to {_shown(url)} with HTTP status {answer.status_code} {answer.reason}"
        case _ if isinstance(root, TimeoutError):
            what = f"{host} did not answer in time"
        case requests.exceptions.ChunkedEncodingError():
            what = f"The connection to {host} was interrupted in the middle of {_shown(url)}"
        case requests.ConnectionError():
            what = f"Cannot reach {host} ({getattr(root, 'strerror', None) or root})"
        case _:
            what = f"Cannot download {_shown(url)} ({str(error).replace(url, _shown(url))})"
    return f"{what}. Check URL, network and HTTPS_PROXY, or download the file elsewhere and pass it with --from."


def _store(origin: str | Path, file: IO[bytes], progress: Progress) -> str:
    """Write the archive into the file and return its SHA-256 checksum."""
    digest, done = hashlib.sha256(), 0
    with _opened(origin) as (pieces, total):
        progress(0, total)
        for piece in pieces:
            done += len(piece)
            if done > unpacking.MAX_BYTES:
                raise InstallError(f"{_shown(origin)} is larger than any release ({unpacking.MAX_BYTES:,} bytes).")
            digest.update(piece)
            file.write(piece)
            progress(done, total)
    if total is not None and done != total:
        raise InstallError(f"{_shown(origin)} ended after {done:,} of {total:,} bytes: try again.")
    return digest.hexdigest()
