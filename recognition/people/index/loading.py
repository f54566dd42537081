"""Galleries are brought into memory in the background, before the first question to them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

import numpy as np
from django.db import DatabaseError, InterfaceError, connections

from recognition.people.index.process import galleries, gallery_of
from recognition.people.models import Collection
from recognition.web.process import Part

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0
# A gallery that could not be loaded, for want of room on the disk, is tried again.
_AGAIN_AFTER_S = 60.0


class GalleryLoader(Part):
    """One thread that loads the galleries of all collections at the start, and those of new ones as
    they come. It also brings galleries up to date that another process has changed: a large change
    is read here, not in a request."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_complete = False
        self._failed_at: dict[UUID, float] = {}

    @property
    def is_loading(self) -> bool:
        """Whether the gallery of a collection was never in memory. False in a process that does
        not load galleries beforehand, such as a command's. A gallery that could not be loaded
        keeps the other collections from nothing: it does not count."""
        return self._thread is not None and not self._is_complete

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gallery-loader", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """What is being loaded is only in memory: it is not waited for."""
        self._stopping.set()
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("galleries are not loaded while the database is away: %s", error)
            finally:
                connections.close_all()
            self._stopping.wait(_LOOK_EVERY_S)

    def _look(self) -> None:
        rows = Collection.objects.values_list("pk", "embedder_id", "gallery_revision")
        have, missing = galleries(), []
        for collection_id, model_id, revision in rows:
            if not self._is_due(collection_id):
                continue
            gallery = have.get((collection_id, model_id))
            if gallery is None or not gallery.is_loaded:
                missing.append(collection_id)
            elif gallery.is_behind(revision):
                self._try(collection_id, gallery.follow)
        self._is_complete = not missing
        for collection_id in missing:
            if not self._stopping.is_set():
                self._try(collection_id, partial(_load, collection_id))
        self._is_complete = True

    def _is_due(self, collection_id: UUID) -> bool:
        failed_at = self._failed_at.get(collection_id)
        return failed_at is None or time.monotonic() - failed_at > _AGAIN_AFTER_S

    def _try(self, collection_id: UUID, step: Callable[[], None]) -> None:
        """Raises what the database raises; other failures concern this collection alone."""
        try:
            step()
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("the gallery of collection %s could not be loaded", collection_id)
            self._failed_at[collection_id] = time.monotonic()
        else:
            self._failed_at.pop(collection_id, None)


def _load(collection_id: UUID) -> None:
    row = Collection.objects.select_related("embedder").filter(pk=collection_id).first()
    if row is None:
        return
    started = time.monotonic()
    gallery = gallery_of(row)
    people, templates = gallery.size
    # The first search of a process takes longer than all others, and the first one of an index
    # reads it from end to end.
    gallery.search(np.ones((1, row.embedder.dimension or 1), np.float32))
    took_s = time.monotonic() - started
    logger.info("%s: %d people, %d templates in %.1f s", row.name, people, templates, took_s)
