"""Reading one file of an archive, never more of it than is wanted."""

from __future__ import annotations

import lzma
import zipfile
import zlib

from recognition.people.services.inspection import PictureRefused

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, KeyError, ValueError)


def read_entry(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, *, most: int) -> bytes:
    """At most one byte more than `most`, so that the limit of photos is what refuses it.

    PictureRefused `broken_entry` if it cannot be unpacked."""
    try:
        with archive.open(name) as file:
            return file.read(most + 1)
    except _BROKEN as error:
        message = "The file is broken within the archive."
        raise PictureRefused("broken_entry", message) from error
