"""Overwrites what was changed or removed in the files of snapshots.

Whoever changes or removes templates does so after the commit and before the answer. What a crash
leaves to overwrite follows from the log: each process with galleries looks for it every two
seconds.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from uuid import UUID

from django.db.models import F

from recognition.people.index.reading import TemplateReader
from recognition.people.index.snapshot_folder import (
    files_of,
    folder_mark,
    prefix,
    revision_of,
    snapshot_folder,
)
from recognition.people.models import Collection, GallerySnapshot
from recognition.web.errors import ServiceError
from recognition.web.transactions import last_after_commit

logger = logging.getLogger(__name__)

_NO_LIMIT = 1 << 40
_LOOK_EVERY_S = 0.5
# Time for the processes that see another folder, which look every two seconds.
_SETTLE_S = 10.0


def snapshots_settle(collection_id: UUID, mark: str) -> None:
    """Overwrite what has changed in all files of the collection in the folder with this mark:
    complete ones, and those that are being written. In each, only what has changed since its own
    revision: nobody reads what is older again. Files without a row are deleted."""
    here = GallerySnapshot.objects.filter(collection=collection_id, folder=mark)
    collection = Collection.objects.get(pk=collection_id)
    # Templates of a model that was let go are deleted without a log.
    here.exclude(model__in=collection.model_ids).delete()
    used = tuple(f"{prefix(collection_id)}{model}-" for model in collection.model_ids)
    until = collection.gallery_revision
    # Before the rows: what is made later has one.
    folders = list(snapshot_folder().glob(f"{prefix(collection_id)}*"))
    since = min(here.values_list("overwritten_revision", flat=True), default=None)
    for folder in folders:
        files = files_of(folder.name)
        try:
            if since is None or not folder.name.startswith(used):
                raise OSError("No row names it, or its model is not used any more.")
            files.overwrite(_changed_in(collection_id, folder.name, since, until))
        except FileNotFoundError:
            continue  # deleted meanwhile
        except (OSError, ValueError) as error:
            logger.warning("the snapshot %s is deleted: %s", folder.name, error)
            here.filter(name=folder.name).update(name="")
            files.discard()
    here.filter(overwritten_revision__lt=until).update(overwritten_revision=until)


def _changed_in(collection_id: UUID, name: str, since: int, until: int) -> list[int]:
    """Templates that may have to be overwritten in the snapshot of this name.

    Raises:
        OSError: it is not known.
    """
    reader, own = TemplateReader(collection_id, 0, 0), revision_of(name)
    if own > until and own > reader.standing().revision:
        raise OSError("It is of a later state of the database.")
    since = max(since, own)
    changed = reader.changed(since, until, most=_NO_LIMIT) if since < until else []
    if changed is None:
        raise OSError("The log is pruned.")
    return changed


def snapshots_follow(collection_id: UUID) -> None:
    """Overwrite what was changed or removed in all snapshots of the collection. Called after the
    transaction, and before anything is answered; in a transaction of the caller, after its commit.
    A failure must reach the caller, but must not keep other steps after the commit from running.

    Raises:
        ServiceError: 503 `snapshot_out_of_reach` if no process sees the folder of a snapshot.
    """
    last_after_commit(partial(_settle_everywhere, collection_id))


def _settle_everywhere(collection_id: UUID) -> None:
    rows = GallerySnapshot.objects.filter(collection=collection_id)
    # Read after the commit: a writer makes its row before it reads templates.
    if not rows.exists():
        return
    mark = folder_mark()
    if mark:
        snapshots_settle(collection_id, mark)
    rows = rows.exclude(folder=mark)
    revision = Collection.objects.values_list("gallery_revision", flat=True).get(pk=collection_id)
    deadline = time.monotonic() + _SETTLE_S
    while rows.filter(overwritten_revision__lt=revision).exists():
        if time.monotonic() > deadline:
            message = (
                "It is done, but a snapshot of the gallery lies in a folder that no running "
                "process sees. It is overwritten as soon as one does."
            )
            raise ServiceError("snapshot_out_of_reach", message, status=503, retry_after=30)
        time.sleep(_LOOK_EVERY_S)


def snapshots_settle_all() -> None:
    """What a crash left to overwrite, and what processes ask for that do not see this folder."""
    behind = GallerySnapshot.objects.filter(
        overwritten_revision__lt=F("collection__gallery_revision")
    )
    folders = set(behind.values_list("folder", "collection_id"))
    mark = folder_mark() if folders else ""
    for collection_id in {collection_id for folder, collection_id in folders if folder == mark}:
        try:
            snapshots_settle(collection_id, mark)
        except OSError as error:  # the next look tries again
            logger.warning("a snapshot is neither overwritten nor deleted: %s", error)
