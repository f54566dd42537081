"""Loads galleries in the background, before their first search."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

import numpy as np
from django.db import DatabaseError, InterfaceError, connections

from recognition.people.index.candidates import ProcessRow, candidates_to_load, warm_up
from recognition.people.index.process import galleries, gallery_of, keep_galleries
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from recognition.web.process import Part

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0
# If a gallery cannot be loaded, for example because the disk is full, it is tried again.
_AGAIN_AFTER_S = 60.0


class GalleryLoader(Part):
    """A thread that loads the galleries of all collections at the start, and of new collections
    later. It also updates galleries that another process changed, so that no request has to read a
    large change."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_complete = False
        self._failed_at: dict[UUID, float] = {}
        # Collections and the models of which gallery and network are in memory, as candidates.
        self._warmed: set[tuple[UUID, int]] = set()
        self._row = ProcessRow()

    @property
    def is_loading(self) -> bool:
        """True while the gallery of some collection has never been loaded. False in a process
        without a loader, such as a command. A gallery that failed to load does not count, so that
        the other collections stay available."""
        return self._thread is not None and not self._is_complete

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gallery-loader", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Does not wait for a gallery that is being loaded: it is only in memory."""
        self._stopping.set()
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("galleries are not loaded while the database is away: %s", error)
                connections.close_all()
            self._stopping.wait(_LOOK_EVERY_S)
        try:
            self._row.remove()
        except (DatabaseError, InterfaceError) as error:
            logger.info("the row of this process stays until its lease lapses: %s", error)
        connections.close_all()

    def _look(self) -> None:
        fields = "pk", "embedder_id", "candidate_id", "gallery_revision"
        have, missing, used = galleries(), [], set()
        for collection_id, model_id, candidate_id, revision in Collection.objects.values_list(
            *fields
        ):
            used |= {(collection_id, model_id), (collection_id, candidate_id)}
            if not self._is_due(collection_id):
                continue
            gallery = have.get((collection_id, model_id))
            if gallery is None or not gallery.is_loaded:
                missing.append(collection_id)
            elif gallery.is_behind(revision):
                self._try(collection_id, gallery.follow)
        keep_galleries(used)
        self._is_complete = not missing
        for collection_id in missing:
            if not self._stopping.is_set():
                self._try(collection_id, partial(_load_collection, collection_id))
        self._is_complete = True
        self._load_candidates()

    def _load_candidates(self) -> None:
        """Load galleries and networks of the models that collections may be switched to."""
        wanted, have = candidates_to_load(), galleries()
        for collection_id, model_id in wanted & self._warmed:
            gallery = have.get((collection_id, model_id))
            if gallery is None:
                self._warmed.discard((collection_id, model_id))
            else:
                self._try(collection_id, gallery.follow)
        self._warmed &= wanted
        for collection_id, model_id in wanted - self._warmed:
            if not self._stopping.is_set() and self._is_due(collection_id):
                self._try(collection_id, partial(self._load_candidate, collection_id, model_id))
        self._row.tell(self._warmed)

    def _load_candidate(self, collection_id: UUID, model_id: int) -> None:
        row = Collection.objects.select_related("candidate").filter(pk=collection_id).first()
        if row is None or row.candidate is None or row.candidate_id != model_id:
            return
        try:
            warm_up(row.candidate.version)
        except ServiceError as error:  # the engine is not ready yet
            logger.info("the candidate of %s waits: %s", row.name, error.message)
            return
        _load(row.seen_by(row.candidate))
        self._warmed.add((collection_id, model_id))

    def _is_due(self, collection_id: UUID) -> bool:
        failed_at = self._failed_at.get(collection_id)
        return failed_at is None or time.monotonic() - failed_at > _AGAIN_AFTER_S

    def _try(self, collection_id: UUID, step: Callable[[], None]) -> None:
        """Raise database errors; other failures are logged, as they affect this collection only."""
        try:
            step()
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("the gallery of collection %s could not be loaded", collection_id)
            self._failed_at[collection_id] = time.monotonic()
        else:
            self._failed_at.pop(collection_id, None)


def _load_collection(collection_id: UUID) -> None:
    row = Collection.objects.select_related("embedder").filter(pk=collection_id).first()
    if row is not None:
        _load(row)


def _load(row: Collection) -> None:
    started = time.monotonic()
    gallery = gallery_of(row)
    people, templates = gallery.size
    # The first search of a process takes longer than all others, and the first one of an index
    # reads it from end to end.
    gallery.search(np.ones((1, row.embedder.dimension or 1), np.float32))
    took_s = time.monotonic() - started
    logger.info("%s: %d people, %d templates in %.1f s", row.name, people, templates, took_s)
