"""The gallery of one collection: when it follows the database, and what it is asked."""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

import numpy as np
from django.db import DatabaseError, InterfaceError, connection

from ml_engine.matching import Candidate
from ml_engine.types import Float32
from recognition.gallery.contents import Contents
from recognition.gallery.reading import CHUNK, Source, names_of
from recognition.models import Collection

logger = logging.getLogger(__name__)

# What other processes change is seen this much later at most.
CHECK_EVERY_S = 0.5


class Gallery:
    """The active people of one collection, for one model. Thread-safe.

    People are named by their UUID, templates by the number of their row.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection_id: UUID = collection.pk
        self.model_id: int = collection.embedder_id
        self.model: str = collection.embedder.preset
        self._source = Source.of(collection)
        self._contents: Contents | None = None
        self._following = threading.Lock()
        self._next_check = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """People and templates that are searched."""
        return self._current().size

    def search(self, embeddings: Float32, *, people: int = 5) -> list[list[Candidate]]:
        """Embeddings (n, d) of length 1; for each the most similar people, best first."""
        queries = np.atleast_2d(np.asarray(embeddings, np.float32))
        return self._current().search(queries, people)

    def image_of(self, template_id: int | None) -> UUID | None:
        """The image that a template was made of; None where it is gone."""
        return None if template_id is None else self._current().image_of(template_id)

    def name_of(self, person_id: UUID) -> str | None:
        member = self._current().member(person_id)
        return member.name if member else None

    def external_id_of(self, person_id: UUID) -> str | None:
        member = self._current().member(person_id)
        return member.external_id if member else None

    @property
    def revision(self) -> int:
        """Another one means that people or templates changed."""
        return self._current().revision

    @property
    def is_loaded(self) -> bool:
        return self._contents is not None

    def follow(self, *, now: bool = False) -> None:
        """Take over what changed in the database, if that was not done a moment ago (`now`: in any
        case). One thread does it; others go on with what there is, except before the first load."""
        is_due = self._contents is None or time.monotonic() >= self._next_check
        if not (now or is_due):
            return
        if not self._following.acquire(blocking=now or self._contents is None):
            return
        try:
            if now or self._contents is None or time.monotonic() >= self._next_check:
                self._next_check = time.monotonic() + CHECK_EVERY_S
                self._follow()
        finally:
            self._following.release()

    def _current(self) -> Contents:
        try:
            self.follow()
        except (DatabaseError, InterfaceError) as error:
            # A stream goes on with the people it knows while the database is away.
            if self._contents is None or connection.in_atomic_block:
                raise
            logger.warning("a gallery could not be brought up to date: %s", error)
            connection.close()
        assert self._contents is not None  # follow() loads or raises
        return self._contents

    def _follow(self) -> None:
        revision = self._source.revision()
        contents = self._contents
        if contents is not None and contents.revision == revision:
            return
        changed = self._source.changed(contents.revision, revision) if contents else None
        if contents is None or changed is None:
            self._contents = self._loaded(revision)
            return
        self._apply(contents, changed)
        contents.revision = revision

    def _apply(self, contents: Contents, templates: list[int]) -> None:
        for start in range(0, len(templates), CHUNK):
            asked = templates[start : start + CHUNK]
            rows = self._source.rows_of(asked)
            there = {row.template for row in rows}
            names = names_of({row.person for row in rows})
            contents.drop([template for template in asked if template not in there])
            contents.put(rows, names)

    def _loaded(self, revision: int) -> Contents:
        """Everything, read after the revision: what changes meanwhile is looked at again later."""
        contents = Contents(self._source.dimension, self.model, revision)
        names = self._source.names()
        for rows in self._source.all_rows():
            contents.put(rows, names)
        return contents
