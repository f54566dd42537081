"""Read one file of an archive, up to a limit."""

from __future__ import annotations

import lzma
import zipfile
import zlib

from recognition.people.services.inspection import PictureRefused

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, KeyError, ValueError)


def read_entry(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, *, most: int) -> bytes:
    """Read at most `most` + 1 bytes, so that a file over the limit is refused as too large.

    PictureRefused `broken_entry` if it cannot be unpacked."""
    try:
        with archive.open(name) as file:
            return file.read(most + 1)
    except _BROKEN as error:
        message = "The file is broken in the archive."
        raise PictureRefused("broken_entry", message) from error
