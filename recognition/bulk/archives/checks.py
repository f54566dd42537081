"""Checks of a ZIP before anything is unpacked.

A hostile archive must not use more memory or disk than its own size. So the size of its list of
entries is checked before the list is read, entries that share bytes are refused, and no more of a
photo is read than the size limit for photos.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import IO

from recognition.web.errors import ServiceError

MOST_ENTRIES = 300_000
# Limit for the list of entries at the end of a ZIP, which is read into memory.
_MOST_DIRECTORY_BYTES = 64 * 2**20
_MOST_RATIO = 100
_SMALL_BOMB_BYTES = 2**30
_MANY_EMPTY = 100
_LONGEST_PATH = 500
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
LOCAL_HEADER_BYTES = 30
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _END64_BYTES = 22, 20, 56
_LONGEST_COMMENT = 65_535


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """Open and check the archive. ServiceError 422 says what is wrong with it."""
    _check_directory(file)
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise _not_an_archive() from error
    _check_entries(entries)
    return archive


def _check_directory(file: IO[bytes]) -> None:
    """Check the announced length of the list of entries, before the list is read."""
    size = file.seek(0, 2)
    start = max(0, size - _LONGEST_COMMENT - _END_BYTES)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise _not_an_archive()
    entries, length = struct.unpack_from("<HI", tail, at + 10)
    large = _large_directory(file, start + at) if max(entries, length) >= 0xFFFF else None
    entries, length = large or (entries, length)
    if entries > MOST_ENTRIES or length > _MOST_DIRECTORY_BYTES:
        raise _too_many_entries()


def _large_directory(file: IO[bytes], end: int) -> tuple[int, int] | None:
    """Number of entries and length of the list in the ZIP64 format; None if there is no such
    list."""
    if end < _LOCATOR_BYTES:
        return None
    file.seek(end - _LOCATOR_BYTES)
    locator = file.read(_LOCATOR_BYTES)
    if not locator.startswith(_LOCATOR64):
        return None
    (at,) = struct.unpack_from("<Q", locator, 8)
    if at > end - _LOCATOR_BYTES:
        raise _not_an_archive()
    file.seek(at)
    record = file.read(_END64_BYTES)
    if not record.startswith(_END64) or len(record) < _END64_BYTES:
        raise _not_an_archive()
    entries, length = struct.unpack_from("<QQ", record, 32)
    return entries, length


def _check_entries(entries: Sequence[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise _too_many_entries()
    files = [entry for entry in entries if not entry.is_dir()]
    for entry in entries:
        _check_entry(entry)
    _check_bomb(files)
    empty = sum(entry.file_size == 0 for entry in files)
    if empty > _MANY_EMPTY and 2 * empty > len(files):
        raise _refused("empty_entries", f"{empty} of its {len(files)} files are empty.")
    if empty == len(files):
        raise _refused("empty_archive", "There is no file in the archive.")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise _refused("encrypted_archive", "The archive is encrypted. Pack it without a password.")
    if entry.compress_type not in _METHODS:
        told = f"{entry.filename!r:.100} is compressed with a method that is not supported."
        raise _refused("unsupported_compression", told)
    if not _is_safe(entry):
        told = f"{entry.filename!r:.100} leads out of the archive."
        raise _refused("unsafe_path", told)


def path_of(entry: zipfile.ZipInfo) -> str:
    """The path with single slashes, even if a program wrote backslashes or `./`."""
    return str(PurePosixPath(entry.orig_filename.replace("\\", "/")))


def _is_safe(entry: zipfile.ZipInfo) -> bool:
    """True if the path stays below the root of the archive and the entry is not a link."""
    name = path_of(entry)
    path = PurePosixPath(name)
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    climbs = path.is_absolute() or ".." in path.parts or ":" in name[:2]
    return not (is_link or climbs or "\0" in name or len(name) > _LONGEST_PATH)


def _check_bomb(files: Sequence[zipfile.ZipInfo]) -> None:
    packed = sum(entry.compress_size for entry in files)
    unpacked = sum(entry.file_size for entry in files)
    if unpacked > max(_SMALL_BOMB_BYTES, _MOST_RATIO * packed):
        told = f"It would unpack to {unpacked / 2**30:.1f} GB, far more than its own size."
        raise _refused("archive_bomb", told)
    end = 0
    for entry in sorted(files, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _refused("archive_bomb", "Files in the archive overlap.")
        end = entry.header_offset + LOCAL_HEADER_BYTES + entry.compress_size


def _not_an_archive() -> ServiceError:
    return _refused("not_an_archive", "This is not a ZIP archive, or it is not complete.")


def _too_many_entries() -> ServiceError:
    told = f"The archive has too many files: {MOST_ENTRIES:,} at most."
    return _refused("too_many_entries", told)


def _refused(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, status=422)
