"""Extracts the server's binary from the archive of a release, without trusting the archive."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar, cast

from ..exceptions import InstallError

#: Maximum size of an archive and of its content, in bytes. It stops decompression bombs.
MAX_BYTES = 512 * 1024 * 1024
#: Bytes per read.
CHUNK = 128 * 1024

_Member = TypeVar("_Member")
# Exceptions of the standard library for a broken archive.
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OverflowError)


def put(archive: IO[bytes], target: Path) -> None:
    """Extract the file with the name of `target` from the archive, and replace `target` with it atomically.

    Raises:
        InstallError: the archive is broken or too large, or does not contain exactly one such file.
        OSError: the disk failed. No incomplete file is left.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".centrifugo-")
    new = Path(name)
    try:
        with open(handle, "wb") as file:
            _unpack(archive, target.name, file, target.parent)
            file.flush()
            os.fsync(handle)
        new.chmod(0o755)
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)


def _unpack(archive: IO[bytes], name: str, out: IO[bytes], directory: Path) -> None:
    """Copy the regular file called `name`. The archive's own paths and links are not followed."""
    archive.seek(0)
    zipped = archive.read(2) == b"PK"
    archive.seek(0)
    try:
        with _zip_member(archive, name) if zipped else _tar_member(archive, name, directory) as member:
            _copy(member, out)
    except (*_BROKEN, OSError) as error:
        # Errors of gzip have no errno. EINVAL comes from a seek to a position that a broken archive claims. Other
        # errors come from the disk.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        why = str(error) or type(error).__name__
        raise InstallError(f"The archive is broken ({why}): download it again.") from error
    if not out.tell():
        raise InstallError(f"The archive's {name} is empty: download it again.")


@contextmanager
def _tar_member(archive: IO[bytes], name: str, directory: Path) -> Iterator[IO[bytes]]:
    # Decompress first, so that the limit covers all members and gzip's checksum is verified.
    with tempfile.TemporaryFile(dir=directory) as plain:
        with gzip.open(archive) as packed:
            _copy(packed, plain)
        plain.seek(0)
        with tarfile.open(fileobj=plain, mode="r:") as tar:
            found = [m for m in tar if m.name.removeprefix("./") == name and m.isreg() and not m.issparse()]
            with cast("IO[bytes]", tar.extractfile(_only(found, name))) as member:
                yield member


@contextmanager
def _zip_member(archive: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(archive) as packed:
        found = [i for i in packed.infolist() if i.filename == name and _is_plain(i)]
        with packed.open(_only(found, name)) as member:
            yield member


def _is_plain(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return kind in (0, stat.S_IFREG) and info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _only(found: list[_Member], name: str) -> _Member:
    if len(found) != 1:
        raise InstallError(
            f"The archive contains {len(found)} files named {name} instead of one: choose the release for this system."
        )
    return found[0]


def _copy(source: IO[bytes] | gzip.GzipFile, out: IO[bytes]) -> None:
    done = 0
    while piece := source.read(CHUNK):
        done += len(piece)
        if done > MAX_BYTES:
            raise InstallError(f"The archive unpacks to more than {MAX_BYTES:,} bytes. No release is that large.")
        out.write(piece)
