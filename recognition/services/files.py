"""Picture files: written before their rows, removed after them; what a crash leaves is swept."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile

from recognition.models import Event, FaceImage
from recognition.web.errors import ServiceError
from recognition.web.transactions import after_commit

logger = logging.getLogger(__name__)

# Between a file and its row lie at most a few seconds, and some retries.
GRACE_S = 600.0
_FOLDERS = ("faces", "originals", "events")
_BATCH = 500
# A crash leaves a handful; a database that was exchanged leaves all.
_FEW = 50
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class NewFiles:
    """Files written within `with` are removed again if it is left by an exception."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def write(self, file: FieldFile, content: bytes) -> None:
        """Write, and set the field of the row that is not saved yet. On disk when it returns.

        ServiceError `storage_full` where there is no room.
        """
        # Known before anything is written: what a full disk cut off is removed as well.
        wanted = file.field.generate_filename(file.instance, "picture.jpg")
        wanted = default_storage.get_available_name(wanted, file.field.max_length)
        self._names.append(wanted)
        try:
            name = default_storage.save(wanted, ContentFile(content), file.field.max_length)
            # Another one where somebody was quicker: then the file of that name is theirs.
            self._names[-1] = name
            _flush(name)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            message = "There is no room for pictures on the server."
            raise ServiceError("storage_full", message, status=507) from error
        setattr(file.instance, file.field.attname, name)

    def discard(self, *files: FieldFile) -> None:
        """Remove some of them after all."""
        _remove([file.name for file in files if file.name])

    def discard_all(self) -> None:
        _remove(self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard_all()


def remove_after_commit(names: Iterable[str | None]) -> int:
    """Remove files when the transaction has ended well; returns how many there are."""
    there = sorted({name for name in names if name})
    if there:
        after_commit(lambda: _remove(there))
    return len(there)


def sweep_orphans(*, grace_s: float = GRACE_S) -> int:
    """Remove picture files that no row names and that are older than `grace_s`; returns how many.

    Only files named as ours are: what somebody else put there stays. Where many are left over, and
    more than there are rows for, the folder belongs to another database: nothing is removed then.
    """
    old = [name for name in _old_files(time.time() - grace_s) if _owner(name) is not None]
    orphans: list[str] = []
    for start in range(0, len(old), _BATCH):
        orphans += _orphans(old[start : start + _BATCH])
    if len(orphans) > _FEW and 2 * len(orphans) > len(old):
        logger.error(
            "%d of %d picture files in %s are in no row of this database: none is removed. "
            "Is it the right database, or the right folder?",
            len(orphans),
            len(old),
            settings.MEDIA_ROOT,
        )
        return 0
    _remove(orphans)
    if orphans:
        logger.info("removed %d picture files that no row names", len(orphans))
    return len(orphans)


def _orphans(names: list[str]) -> list[str]:
    """Those of them that no row names."""
    owners = {owner for name in names if (owner := _owner(name)) is not None}
    named: set[str] = set()
    for row in FaceImage.objects.filter(pk__in=owners).values_list("file", "original"):
        named.update(row)
    for row in Event.objects.filter(pk__in=owners).values_list("snapshot", "face"):
        named.update(row)
    return [name for name in names if name not in named]


def _old_files(before: float) -> Iterator[str]:
    root = Path(settings.MEDIA_ROOT)
    for folder in _FOLDERS:
        for path in (root / folder).rglob("*"):
            try:
                if path.is_file() and path.stat().st_mtime < before:
                    yield str(path.relative_to(root))
            except FileNotFoundError:  # removed meanwhile
                continue


def _owner(name: str) -> UUID | None:
    """The id that a file's name begins with."""
    try:
        return UUID(Path(name).name[:36])
    except ValueError:
        return None


def _remove(names: Iterable[str]) -> None:
    """Remove each of them; one that cannot be removed does not keep the others."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError:
            logger.exception("the file %s was not removed", name)


def _flush(name: str) -> None:
    """What was acknowledged is to outlive a power cut: the row is flushed, so must its file be."""
    descriptor = os.open(default_storage.path(name), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
