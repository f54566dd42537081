"""Picture files. A file is written before its row, and removed after its row is deleted."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile

from recognition.web.database_room import storage_problem
from recognition.web.storage import problem_of, storage_refusal
from recognition.web.transactions import after_commit

logger = logging.getLogger(__name__)


class NewFiles:
    """Files written within `with` are removed again if it is left by an exception."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def write(self, file: FieldFile, content: bytes) -> None:
        """Write the file and set the field of the unsaved row. The file is on disk on return.

        ServiceError of `recognition.web.storage` if it cannot be stored.
        """
        if problem := storage_problem():
            raise storage_refusal(problem)
        # Remember the name before writing: if the disk is full, an incomplete file must be removed.
        wanted = file.field.generate_filename(file.instance, "picture.jpg")
        wanted = default_storage.get_available_name(wanted, file.field.max_length)
        self._names.append(wanted)
        try:
            name = default_storage.save(wanted, ContentFile(content), file.field.max_length)
            # A different name means that another request wrote this file first: the file is not
            # ours.
            self._names[-1] = name
            _flush(name)
        except OSError as error:
            if (problem := problem_of(error)) is None:
                raise
            raise storage_refusal(problem) from error
        setattr(file.instance, file.field.attname, name)

    def discard(self, *files: FieldFile) -> None:
        """Remove some of the written files."""
        remove([file.name for file in files if file.name])

    def discard_all(self) -> None:
        remove(self._names)

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
    """Remove files after the transaction is committed; returns their number."""
    there = sorted({name for name in names if name})
    if there:
        after_commit(lambda: remove(there))
    return len(there)


def remove(names: Iterable[str]) -> None:
    """Remove each file; a failure does not stop the others."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError:
            logger.exception("the file %s was not removed", name)


def _flush(name: str) -> None:
    """Write the file and its name in the folder to the disk: a commit survives a power cut, so its
    files must, too."""
    path = default_storage.path(name)
    for each in (path, os.path.dirname(path)):  # noqa: PTH120
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
