"""Overwrite photos in an archive that a job still reads."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import IO

from django.core.files.storage import default_storage

from recognition.bulk.archives.checks import LOCAL_HEADER_BYTES
from recognition.bulk.archives.pieces import archive_lost, opened
from recognition.bulk.archives.planned import Place
from recognition.bulk.models import Archive


def photos_blank(archive: Archive, places: Iterable[Place]) -> None:
    """Overwrite the bytes of these entries of the archive with zeros. They are on disk on return.
    All other files stay readable, also for a job that has the archive open.

    ServiceError `archive_lost` if the archive cannot be read.
    """
    with opened(archive) as file:
        spans = [_span(file, *place) for place in places]
    for piece in archive.pieces.all():
        within = list(_within(spans, piece.offset, piece.size))
        if within:
            _overwrite(str(piece.file.name), within)


def _span(file: IO[bytes], offset: int, size: int) -> tuple[int, int]:
    """Where the packed bytes of an entry begin and end in the archive."""
    file.seek(offset)
    header = file.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES:
        raise archive_lost()
    begin = offset + LOCAL_HEADER_BYTES + sum(struct.unpack_from("<HH", header, 26))
    return begin, begin + size


def _within(spans: list[tuple[int, int]], offset: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of spans (begin, end) that lie in a piece, counted from its beginning."""
    for begin, end in spans:
        first, last = max(begin - offset, 0), min(end - offset, size)
        if first < last:
            yield first, last


def _overwrite(name: str, spans: list[tuple[int, int]]) -> None:
    try:
        file = default_storage.open(name, "r+b")
    except FileNotFoundError as error:
        raise archive_lost() from error
    with file:
        for begin, end in spans:
            file.seek(begin)
            file.write(bytes(end - begin))
        file.flush()
        os.fsync(file.fileno())
