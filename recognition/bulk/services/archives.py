"""Make archives, store their pieces, remove them, and sweep files that no row names."""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F, Sum
from django.utils import timezone

from recognition.bulk.models import Archive, Piece
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import NewFiles, remove, remove_after_commit
from recognition.web.transactions import in_transaction

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

logger = logging.getLogger(__name__)

# The size of a piece that our own scripts send, and the largest piece that is accepted.
PIECE_BYTES = 8 * 2**20
MOST_PIECE_BYTES = 16 * 2**20
# Free space to leave for the photos that are enrolled from the archive, and for everything else.
_KEPT_FREE_BYTES = 512 * 2**20
_FOLDER = "archives"
# An upload that gets no more pieces is deleted after this time.
UPLOAD_KEPT = timedelta(days=2)
# A file is written some seconds, with retries, before its row. Younger files are never swept.
_GRACE = timedelta(minutes=10)


def archive_create(size: int) -> Archive:
    """Make an archive of `size` bytes. ServiceError 413 `archive_too_large`, 507 `storage_full`."""
    most = settings.MAX_IMPORT_GB * 2**30
    if size > most:
        message = f"An archive may have {settings.MAX_IMPORT_GB:g} GB at most (MAX_IMPORT_GB)."
        raise ServiceError("archive_too_large", message, status=413, max_bytes=int(most))
    free = _free_bytes()
    if free is not None and size > free - _awaited_bytes() - _KEPT_FREE_BYTES:
        message = "The server does not have enough free disk space for this archive."
        raise ServiceError("storage_full", message, status=507)
    return Archive.objects.create(size=size)


def check_complete(archive: Archive) -> None:
    """ServiceError 409 `archive_incomplete` while pieces are missing."""
    if archive.received < archive.size:
        message = f"{archive.received} of {archive.size} bytes have arrived."
        raise ServiceError("archive_incomplete", message, status=409, received=archive.received)


def piece_put(*, archive: Archive, offset: int, data: bytes) -> int:
    """Store the next bytes of the archive; returns the number of bytes that have arrived. A client
    that did not get the answer sends a piece again; then it is not stored twice.

    ServiceError 409 `wrong_offset` has in `received` the offset to continue from.
    """
    if not 0 < len(data) <= MOST_PIECE_BYTES:
        most = MOST_PIECE_BYTES // 2**20
        message = f"A piece has 1 byte to {most} MB."
        raise ServiceError("bad_piece", message, status=413 if data else 400)
    sha256 = hashlib.sha256(data).hexdigest()
    if archive.pieces.filter(offset=offset, size=len(data), sha256=sha256).exists():
        return Archive.objects.values_list("received", flat=True).get(pk=archive.pk)
    archive.refresh_from_db()
    _check_offset(archive, offset, len(data))
    with NewFiles() as files:
        piece = Piece(archive=archive, offset=offset, size=len(data), sha256=sha256)
        files.write(piece.file, data)

        def insert() -> int:
            row = Archive.objects.select_for_update().filter(pk=archive.pk).first()
            if row is None:
                raise not_found("archive")
            _check_offset(row, offset, len(data))
            piece.save(force_insert=True)
            row.received += len(data)
            row.save(update_fields=["received", "updated_at"])
            return row.received

        return in_transaction(insert)


def archive_remove(archive: Archive | None) -> None:
    """Remove the archive and its pieces. Called in the transaction that removes its owner."""
    if archive is not None:
        remove_after_commit(archive.pieces.values_list("file", flat=True))
        archive.delete()


def archives_sweep(*, grace: timedelta = _GRACE) -> int:
    """Remove files below `archives/` that no row names, such as after a crash. Returns their
    number."""
    before = timezone.now() - grace
    orphans: list[str] = []
    for folder in folders_below(_FOLDER):
        names = _old_files(f"{_FOLDER}/{folder}", before)
        named = set(Piece.objects.filter(archive=folder).values_list("file", flat=True))
        orphans += [name for name in names if name not in named]
    remove(orphans)
    if orphans:
        logger.info("removed %d pieces of archives that no row names", len(orphans))
    return len(orphans)


def folders_below(folder: str) -> list[UUID]:
    """The folders below `folder` whose name is the id of a row."""
    try:
        names = default_storage.listdir(folder)[0]
    except FileNotFoundError:
        return []
    return [UUID(name) for name in names if _is_id(name)]


def files_of(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
    except FileNotFoundError:
        return []


class ArchiveWriter(io.RawIOBase):
    """A writable file, such as `zipfile` needs, that stores an archive of unknown size."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._left = bytearray()
        self._offset = 0

    @property
    def written(self) -> int:
        return self._offset

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        view = memoryview(data).cast("B")
        self._left += view
        while len(self._left) >= PIECE_BYTES:
            self._put(PIECE_BYTES)
        return len(view)

    def finish(self) -> None:
        """Store the last bytes, and set the size of the archive."""
        while self._left:
            self._put(min(PIECE_BYTES, len(self._left)))
        Archive.objects.filter(pk=self._archive.pk).update(size=F("received"))
        self._archive.refresh_from_db()

    def _put(self, size: int) -> None:
        piece_put(archive=self._archive, offset=self._offset, data=bytes(self._left[:size]))
        del self._left[:size]
        self._offset += size


def _check_offset(archive: Archive, offset: int, size: int) -> None:
    if offset != archive.received:
        message = f"{archive.received} bytes have arrived: send the bytes after these."
        raise ServiceError("wrong_offset", message, status=409, received=archive.received)
    if offset + size > archive.size:
        message = f"The archive was announced with {archive.size} bytes; this is more."
        raise ServiceError("bad_piece", message, received=archive.received)


def _free_bytes() -> int | None:
    """Free bytes of the media storage; None if it has no limit."""
    try:
        root = Path(default_storage.path(""))
    except NotImplementedError:
        return None
    while not root.exists():
        root = root.parent
    return shutil.disk_usage(root).free


def _awaited_bytes() -> int:
    """Bytes that other uploads have announced and not sent yet."""
    rows = Archive.objects.filter(received__lt=F("size"))
    return rows.aggregate(n=Sum(F("size") - F("received")))["n"] or 0


def _old_files(folder: str, before: datetime) -> list[str]:
    return [name for name in files_of(folder) if _written(name) < before]


def _written(name: str) -> datetime:
    try:
        return default_storage.get_modified_time(name)
    except FileNotFoundError:  # removed meanwhile
        return timezone.now()


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
