"""Overwrite photos in an archive that a job still reads."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterator
from typing import IO

from django.core.files.storage import default_storage

from recognition.bulk.archives.checks import data_of, path_of
from recognition.bulk.archives.pieces import opened
from recognition.bulk.models import Archive


def photos_blank(archive: Archive, paths: Collection[str]) -> None:
    """Overwrite the bytes of these files of the archive with zeros. They are on disk on return. All
    other files stay readable, also for a job that has the archive open.

    ServiceError `archive_lost` or zipfile.BadZipFile if the archive cannot be read.
    """
    with opened(archive) as file, zipfile.ZipFile(file) as read:
        spans = [data_of(file, entry) for entry in read.infolist() if path_of(entry) in paths]
    for offset, size, name in archive.pieces.values_list("offset", "size", "file"):
        within = list(_within(spans, offset, size))
        if within:
            with default_storage.open(name, "r+b") as stored:
                _overwrite(stored, within)


def _within(spans: list[tuple[int, int]], offset: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of spans (begin, end) that lie in a piece, counted from its beginning."""
    for begin, end in spans:
        first, last = max(begin - offset, 0), min(end - offset, size)
        if first < last:
            yield first, last


def _overwrite(file: IO[bytes], spans: list[tuple[int, int]]) -> None:
    for begin, end in spans:
        file.seek(begin)
        file.write(bytes(end - begin))
    file.flush()
    os.fsync(file.fileno())
