"""The files of an archive by their paths; read one of them, up to a limit."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections import defaultdict

from recognition.bulk.archives.checks import path_of
from recognition.bulk.archives.planned import Place
from recognition.people.services.inspection import PictureRefused

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, KeyError, ValueError)


def entries_by_path(archive: zipfile.ZipFile) -> dict[str, list[zipfile.ZipInfo]]:
    """A good archive has one entry for each path."""
    entries: dict[str, list[zipfile.ZipInfo]] = defaultdict(list)
    for entry in archive.infolist():
        if not entry.is_dir():
            entries[path_of(entry)].append(entry)
    return dict(entries)


def places_of(entries: list[zipfile.ZipInfo]) -> list[Place]:
    return [(entry.header_offset, entry.compress_size) for entry in entries]


def read_entry(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, *, most: int) -> bytes:
    """Read at most `most` + 1 bytes, so that a file over the limit is refused as too large.

    PictureRefused `broken_entry` if it cannot be unpacked."""
    try:
        with archive.open(name) as file:
            return file.read(most + 1)
    except _BROKEN as error:
        message = "The file is broken in the archive."
        raise PictureRefused("broken_entry", message) from error
