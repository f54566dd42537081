"""Snapshots of large galleries: written once for all processes, and followed by erasures.

A snapshot is the state at one revision; the log of changes leads on from it, and `settling`
overwrites what was changed or removed.

The writer takes the lease of the row before it makes a folder, and writes in steps that read the
database themselves, under a lock of the files. So a template that was removed before a step is not
in it, and one that is removed later is found by `snapshots_settle`.
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from ml_engine.matching import DamagedFile
from recognition.people.index.contents import IndexState
from recognition.people.index.indexes import gallery_folder
from recognition.people.index.reading import MAX_CHANGES, TemplateReader
from recognition.people.index.snapshot_files import SnapshotFiles
from recognition.people.index.snapshot_folder import (
    discard,
    files_of,
    folder_mark,
    made_mark,
    prefix,
    prefix_of,
    snapshot_folder,
    snapshots_are_on,
    tell_unusable,
)
from recognition.people.models import Collection, GallerySnapshot
from recognition.web.errors import ServiceError
from recognition.web.leases import KeptLease, Lease, LeaseKeeper, LeaseLost, held_by, release, take
from recognition.web.process import process
from recognition.web.storage import require_room
from recognition.web.transactions import after_commit

logger = logging.getLogger(__name__)

# Written again once more templates have changed than this, and than this part of all.
REWRITE_FROM = 10_000
_REWRITE_PART = 20
# Longer logs are not read: writing it again is quicker.
_FOLLOWED_PART = 5
_LOOK_EVERY_S = 0.5
# A snapshot that cannot be read again and again: the disk is at fault.
_TRIES = 3
# Beside its vector: codes, ids, owners, names.
_ROW_BYTES = 300


class CannotWrite(Exception):
    """The files cannot be written now: a full disk, for example."""


def is_worth_it(kind: str, templates: int) -> bool:
    """Only indexes of bytes have snapshots."""
    return kind == "int8" and 0 < settings.GALLERY_SNAPSHOT_FROM <= templates


def snapshot_size(source: TemplateReader) -> int:
    """Templates in the snapshot; 0 if there is none. Counting rows takes seconds for millions."""
    if not snapshots_are_on():
        return 0
    rows = GallerySnapshot.objects.exclude(name="").filter(
        collection=source.collection_id, model=source.model_id, folder=folder_mark()
    )
    return rows.values_list("templates", flat=True).first() or 0


def snapshot_names() -> dict[tuple[UUID, int], str]:
    """Of all snapshots in this folder, by collection and model."""
    if not snapshots_are_on():
        return {}
    rows = GallerySnapshot.objects.filter(folder=folder_mark()).exclude(name="")
    return {(row.collection_id, row.model_id): row.name for row in rows}


def snapshot_load(source: TemplateReader, model: str, least_revision: int) -> IndexState | None:
    """The gallery as its snapshot has it, at the revision of the snapshot. Writes one if there is
    none, or waits for the process that does. None if that is not possible.

    least_revision: an older one is not used.
    """
    try:
        return _loaded(source, model, least_revision)
    except OSError as error:  # too many open files, for example: the files may be good
        tell_unusable(str(error))
        return None


def _loaded(source: TemplateReader, model: str, least_revision: int) -> IndexState | None:
    row, tries = _row_of(source), _TRIES
    while tries:
        row.refresh_from_db()
        if row.name:
            state = _opened(row, source, model, least_revision)
            if state is not None:
                return state
            tries -= 1
        elif connection.in_atomic_block:
            return None  # it would not see what others remove meanwhile
        else:
            try:
                if not snapshot_write(row, source, model):
                    time.sleep(_LOOK_EVERY_S)
            except CannotWrite:
                return None
    return None


def snapshot_write(row: GallerySnapshot, source: TemplateReader, model: str) -> bool:
    """Write the files, and name them in the row. False if another process writes, or did since
    `row` was read.

    Raises:
        CannotWrite: also told in the row.
    """
    mine = GallerySnapshot.objects.filter(pk=row.pk)
    lease = take(mine.filter(name=row.name), owner=process().id)
    if lease is None:
        return False
    try:
        return _write(row, lease, source, model)
    except LeaseLost:
        logger.info("another process writes the snapshot of %s", row.collection_id)
        return False
    except (OSError, ServiceError) as error:
        told = error.message if isinstance(error, ServiceError) else str(error)
        _tell(row, f"It cannot be written: {told}")
        raise CannotWrite(told) from error
    finally:
        release(mine, lease)


def _write(row: GallerySnapshot, lease: Lease, source: TemplateReader, model: str) -> bool:
    _make_room(row, source)
    mine = GallerySnapshot.objects.filter(pk=row.pk)
    started, revision = time.monotonic(), source.standing().revision
    unique = f"{lease.number}-{secrets.token_hex(4)}"
    name = f"{prefix_of(row)}{unique}-{revision}-{source.dimension}"
    files = files_of(name)
    kept = process().part(LeaseKeeper).keep(mine, lease)
    try:
        _fill(files, source, kept)
        digest = files.finish(row.collection_id, model, revision)
        is_mine = held_by(mine, lease).update(
            name=name, digest=digest, revision=revision, templates=len(files.index.ids)
        )
        if not is_mine:
            raise LeaseLost
    except FileNotFoundError as error:  # another owner, or an erasure, deleted them
        raise LeaseLost from error
    except BaseException:
        files.discard()
        raise
    finally:
        kept.drop()
    took_s = time.monotonic() - started
    logger.info("a snapshot of %d templates was written in %.1f s", len(files.index.ids), took_s)
    if row.name:
        discard(files_of(row.name))
    return True


def _make_room(row: GallerySnapshot, source: TemplateReader) -> None:
    folder, templates = snapshot_folder(), source.count()
    if folder_mark() != row.folder:
        raise OSError("Its folder is gone.")
    for path in folder.glob(f"{prefix_of(row)}*"):
        if path.name != row.name:  # of an owner that stopped
            files_of(path.name).discard()
    needed = templates * (4 * source.dimension + _ROW_BYTES)
    require_room(folder, needed, f"The snapshot of {templates} templates")


def _fill(files: SnapshotFiles, source: TemplateReader, kept: KeptLease) -> None:
    """LeaseLost if another process may own the row."""
    files.make()
    steps, is_done = files.write(source.blocks(), source.names_among), False
    while not is_done:
        if not kept.is_sure:
            raise LeaseLost
        with files.lock():
            is_done = next(steps, True) is True


def _opened(
    row: GallerySnapshot, source: TemplateReader, model: str, least_revision: int
) -> IndexState | None:
    """None if it cannot be used: then the row does not name it any more.

    Raises:
        OSError: it cannot be read now.
    """
    files = files_of(row.name)
    started = time.monotonic()
    try:
        files.check(row.digest)
        index, owners = files.open(model, gallery_folder())
        changed = source.changed(
            row.revision, source.standing().revision, most=most_followed(row.templates)
        )
        if changed is None or row.revision < least_revision:
            raise DamagedFile("Too much has changed since it was written.")
        if not set(owners.overwritten.tolist()) <= set(changed):
            raise DamagedFile("It was written for a later state of the database.")
    except (FileNotFoundError, ValueError) as error:  # DamagedFile is a ValueError
        if GallerySnapshot.objects.filter(pk=row.pk, name=row.name).update(name=""):
            _tell(row, f"It is not used, and written again: {error}")
            discard(files)
        row.refresh_from_db()
        return None
    took_s = time.monotonic() - started
    logger.info("a snapshot of %d templates was mapped in %.1f s", row.templates, took_s)
    return IndexState(row.revision, index, owners, row.name)


def snapshots_refresh() -> int:
    """Write those again that much has changed since, and those that could not be written; returns
    how many."""
    return sum(_is_due(row) and _refresh(row) for row in _rows_in_use())


def snapshots_rewrite() -> int:
    """Write all of this folder again; returns how many."""
    return sum(map(_refresh, _rows_in_use()))


def _rows_in_use() -> list[GallerySnapshot]:
    if not snapshots_are_on():
        return []
    return [row for row in _rows_here() if row.model_id in row.collection.model_ids]


def _is_due(row: GallerySnapshot) -> bool:
    if not row.name:
        return True
    changed = row.collection.gallerychange_set.filter(revision__gt=row.revision).count()
    return changed > max(REWRITE_FROM, row.templates // _REWRITE_PART)


def _refresh(row: GallerySnapshot) -> bool:
    seen = row.collection.seen_by_id(row.model_id)
    try:
        return snapshot_write(row, TemplateReader.of(seen), seen.embedder.version)
    except CannotWrite as error:
        logger.warning("a snapshot is not written again: %s", error)
        return False


def snapshots_prune() -> int:
    """Delete snapshots of models that collections have let go, and files without a row; all, if
    snapshots are switched off."""
    if not snapshots_are_on():
        return _prune_all()
    if not folder_mark():
        return 0
    # Before the rows: what is made later is written by the owner of a row.
    names = [path.name for path in snapshot_folder().glob("*-*")]
    unused = [row.pk for row in _rows_here() if row.model_id not in row.collection.model_ids]
    GallerySnapshot.objects.filter(pk__in=unused).delete()
    rows = list(_rows_here())
    kept = {row.name for row in rows}
    written = tuple(prefix_of(row) for row in rows if row.owner)
    gone = [name for name in names if name not in kept and not name.startswith(written)]
    for name in gone:
        discard(files_of(name))
    return len(gone)


def _prune_all() -> int:
    """Rows last: an erasure overwrites files only while there are rows."""
    mark = folder_mark() if GallerySnapshot.objects.exists() else ""
    if not mark:
        return 0
    gone = [discard(files_of(path.name)) for path in snapshot_folder().glob("*-*")]
    if all(gone):
        GallerySnapshot.objects.filter(folder=mark).delete()
    return sum(gone)


def snapshots_of_collection_delete(collection: Collection) -> None:
    """Called in the transaction that deletes the collection."""
    deleted, _ = GallerySnapshot.objects.filter(collection=collection).delete()
    if not (deleted or snapshots_are_on()):
        return
    for path in snapshot_folder().glob(f"{prefix(collection.pk)}*"):
        after_commit(partial(discard, files_of(path.name)))


def snapshot_problems() -> list[str]:
    """What happened to snapshots during the last day, for administrators."""
    rows = GallerySnapshot.objects.exclude(problem="").select_related("collection")
    recent = rows.filter(problem_at__gt=timezone.now() - timedelta(days=1))
    return [f"{row.collection.name}: {row.problem}" for row in recent]


def most_followed(templates: int) -> int:
    """Of so many templates, how many may have changed since a snapshot that is used."""
    return max(MAX_CHANGES, templates // _FOLLOWED_PART)


def _rows_here() -> QuerySet[GallerySnapshot]:
    rows = GallerySnapshot.objects.filter(folder=folder_mark())
    return rows.select_related("collection__embedder", "collection__candidate")


def _row_of(source: TemplateReader) -> GallerySnapshot:
    revision = source.standing().revision
    return GallerySnapshot.objects.get_or_create(
        collection_id=source.collection_id,
        model_id=source.model_id,
        folder=made_mark(),
        defaults={"revision": revision, "overwritten_revision": revision},
    )[0]


def _tell(row: GallerySnapshot, problem: str) -> None:
    logger.warning("the snapshot of collection %s: %s", row.collection_id, problem)
    told = {"problem": problem[:300], "problem_at": timezone.now()}
    GallerySnapshot.objects.filter(pk=row.pk).update(**told)
