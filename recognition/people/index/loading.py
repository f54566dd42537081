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

from ml_engine.types import EngineError
from recognition.people.index.candidates import (
    Candidate,
    ProcessRow,
    candidates_to_load,
    warm_up,
)
from recognition.people.index.gallery import Gallery
from recognition.people.index.process import galleries, gallery_of, keep_galleries
from recognition.people.index.settling import snapshots_settle_all
from recognition.people.index.snapshots import snapshot_names
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
        # By collection and model: a candidate that cannot be loaded must not hold up the gallery in
        # force.
        self._failed_at: dict[Candidate, float] = {}
        # Candidates whose gallery and network are in memory.
        self._warmed: set[Candidate] = set()
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
            except Exception:
                # Without this thread no change is followed, and no model change can be switched.
                logger.exception("galleries are not loaded until the next look")
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
            key = collection_id, model_id
            used |= {key, (collection_id, candidate_id)}
            if not self._is_due(key):
                continue
            gallery = have.get(key)
            if gallery is None or not gallery.is_loaded:
                missing.append(key)
            elif gallery.is_behind(revision):
                self._try(key, gallery.follow)
        keep_galleries(used)
        snapshots_settle_all()
        self._remap(have)
        self._is_complete = not missing
        for key in missing:
            if not self._stopping.is_set():
                self._try(key, partial(_load_collection, key[0]))
        self._is_complete = True
        self._load_candidates()

    def _remap(self, have: dict[Candidate, Gallery]) -> None:
        """Let go of snapshots that were written again: their files stay on the disk until then."""
        for key, name in snapshot_names().items():
            gallery = have.get(key)
            is_old = gallery is not None and gallery.is_loaded and gallery.snapshot != name
            if gallery is not None and is_old and self._is_due(key):
                self._try(key, gallery.remap)

    def _load_candidates(self) -> None:
        """Load galleries and networks of the models that collections may be switched to."""
        wanted, have = candidates_to_load(), galleries()
        for key in wanted & self._warmed:
            gallery = have.get(key)
            if gallery is None:
                self._warmed.discard(key)
            else:
                self._try(key, gallery.follow)
        self._warmed &= wanted
        for key in wanted - self._warmed:
            if not self._stopping.is_set() and self._is_due(key):
                self._try(key, partial(self._load_candidate, *key))
        self._row.tell(self._warmed)

    def _load_candidate(self, collection_id: UUID, model_id: int) -> None:
        row = Collection.objects.select_related("candidate").filter(pk=collection_id).first()
        if row is None or row.candidate is None or row.candidate_id != model_id:
            return
        try:
            warm_up(row.candidate.version)
        except (EngineError, ServiceError) as error:  # the engine is not ready yet, or busy
            logger.info("the candidate of %s waits: %s", row.name, error.message)
            return
        _load(row.seen_by(row.candidate))
        self._warmed.add((collection_id, model_id))

    def _is_due(self, key: Candidate) -> bool:
        failed_at = self._failed_at.get(key)
        return failed_at is None or time.monotonic() - failed_at > _AGAIN_AFTER_S

    def _try(self, key: Candidate, step: Callable[[], None]) -> None:
        """Raise database errors; other failures are logged, as they affect this gallery only."""
        try:
            step()
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("the gallery of collection %s could not be loaded", key[0])
            self._failed_at[key] = time.monotonic()
        else:
            self._failed_at.pop(key, None)


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
