"""Tells the other processes which candidates of model changes this process has in memory.

A collection is switched to another model once every living process has its gallery and network, so
that no search waits for them.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import numpy as np

from ml_engine.align import TEMPLATE_112
from ml_engine.request import Ask
from ml_engine.types import Face
from recognition.engine import get_engine
from recognition.people.models import GalleryProcess, LoadedCandidate, ModelChange
from recognition.web.leases import DatabaseTime, KeptLease, LeaseKeeper, take
from recognition.web.process import process

_KEPT = timedelta(hours=1)
_WARM_UP = Ask(priority="bulk", caller="warm-up")
# Numbers of faces in one call. A network prepares itself for each size.
_SIZES = (1, 2, 4, 8)

Candidate = tuple[UUID, int]  # ids of a collection and a model


def candidates_to_load() -> set[Candidate]:
    """Candidates whose templates are complete."""
    changes = ModelChange.objects.filter(ended_at=None, state__in=ModelChange.LOADED)
    rows = changes.values_list("collection_id", "collection__candidate_id")
    return {(collection, model) for collection, model in rows if model is not None}


def warm_up(model: str) -> None:
    """Load a network and run it at the usual sizes. ServiceError if the engine is not ready."""
    engine = get_engine()
    black = np.zeros((112, 112, 3), np.uint8)
    box = np.array([0, 0, 112, 112], np.float32)
    face = Face(box=box, landmarks=TEMPLATE_112.astype(np.float32), score=1.0)
    for size in _SIZES:
        for flip in (False, True):
            engine.embed(black, [face] * size, _WARM_UP, embedder=model, flip=flip)


class ProcessRow:
    """The row of this process, with its lease. For one thread."""

    def __init__(self) -> None:
        self._kept: KeptLease | None = None

    def tell(self, loaded: set[Candidate]) -> None:
        """The candidates that this process has in memory now. Writes only what differs from the
        rows, which the end of a change deletes, and a switch adds."""
        row = self._row()
        if row is None:
            return
        told = {(each.collection_id, each.model_id): each.pk for each in row.loaded.all()}
        gone = [told[key] for key in told.keys() - loaded]
        if gone:
            LoadedCandidate.objects.filter(pk__in=gone).delete()
        for collection, model in loaded - told.keys():
            LoadedCandidate.objects.get_or_create(
                process=row, collection_id=collection, model_id=model
            )

    def _row(self) -> GalleryProcess | None:
        """A new one if there is none, or if its lease is lost. None if the lease is not free."""
        mine = GalleryProcess.objects.filter(name=process().id)
        row = mine.first()
        if row is not None and self._kept is not None and not self._kept.is_lost:
            return row
        if self._kept is not None:
            self._kept.drop()
        mine.delete()
        row = GalleryProcess.objects.create(name=process().id)
        lease = take(mine, owner=process().id)
        self._kept = process().part(LeaseKeeper).keep(mine, lease) if lease else None
        return row if lease else None

    def remove(self) -> None:
        """The process answers no more searches."""
        if self._kept is not None:
            self._kept.drop()
            self._kept = None
            GalleryProcess.objects.filter(name=process().id).delete()


def gallery_processes_prune() -> int:
    """Delete the rows of processes that ended long ago; returns how many."""
    old = DatabaseTime(-_KEPT.total_seconds())
    return GalleryProcess.objects.filter(lease_until__lt=old).delete()[0]
