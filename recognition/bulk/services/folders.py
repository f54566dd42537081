"""Import a folder or a ZIP from the disk of this machine."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BufferedWriter
from pathlib import Path
from typing import cast

from accounts.audit import Actor
from recognition.bulk.models import Archive, ImportRun, Upload
from recognition.bulk.services.archives import PIECE_BYTES, ArchiveWriter
from recognition.bulk.services.imports import import_create, import_delete, import_finish
from recognition.bulk.services.uploads import upload_piece
from recognition.people.models import Collection

Told = Callable[[int, int], None]
# The most bytes that a ZIP adds for each file, in addition to storing its path twice.
_PER_FILE_BYTES = 512


def folder_import(
    *, collection: Collection, path: Path, actor: Actor, told: Told = lambda done, total: None
) -> ImportRun:
    """Copy the folder or the ZIP to the media storage, where workers read it, and start the import.
    told: called with the bytes copied so far and their total. If this fails, the import is
    deleted."""
    is_folder = path.is_dir()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if is_folder else [path]
    size = folder_bytes(files) if is_folder else path.stat().st_size
    run = import_create(collection=collection, name=path.name, size=size, actor=actor)
    try:
        if is_folder:
            assert run.archive is not None  # just made
            write_folder(run.archive, path, files, lambda done: told(done, size))
        else:
            write_file(run, path, lambda done: told(done, size))
        run.refresh_from_db()
        return import_finish(run=run, actor=actor)
    except BaseException:
        if ImportRun.objects.filter(pk=run.pk, state=ImportRun.State.UPLOADING).exists():
            import_delete(run=run, actor=actor)
        raise


def folder_bytes(files: list[Path]) -> int:
    """How large `write_folder` makes the archive of them, at most."""
    names = sum(2 * len(str(file).encode()) + _PER_FILE_BYTES for file in files)
    return names + sum(file.stat().st_size for file in files) + PIECE_BYTES


def write_folder(
    archive: Archive,
    folder: Path,
    files: list[Path],
    told: Callable[[int], None] = lambda done: None,
) -> None:
    """A ZIP of these files of the folder, with their times."""
    writer = ArchiveWriter(archive)
    with zipfile.ZipFile(
        cast("BufferedWriter", writer), "w", zipfile.ZIP_STORED, strict_timestamps=False
    ) as zipped:
        for file in files:
            zipped.write(file, file.relative_to(folder))
            told(writer.written)
    writer.finish()


def write_file(upload: Upload, path: Path, told: Callable[[int], None] = lambda done: None) -> None:
    done = 0
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            done = upload_piece(upload=upload, offset=done, data=data)
            told(done)
