"""Gallery and rules of a collection for one stream, read again while it runs."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections

from ml_engine.matching import Candidate, Decision
from ml_engine.types import Float32
from recognition.live.looks import SameFace
from recognition.people.index import Gallery, gallery_of
from recognition.people.model_versions import require_version
from recognition.people.models import Collection
from recognition.people.rules import Rules, rules_of
from recognition.people.services.identification import decide_candidates
from recognition.web.errors import ServiceError, not_found
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

# The row of the collection, with its threshold, is read this often.
_REREAD_S = 2.0
# Two looks at one face are rarely less similar than the most similar 1 % of strangers...
_SAME_FACE_FMR = 1e-2
# ... and a face that comes back counts as the same at a similarity that 0.1 % of strangers reach.
_LIKENESS_FMR = 1e-3
# Without a curve, only the threshold of a match is known.
_PEOPLE = 5
# The stream cannot go on: the collection is gone, or its faces cannot be compared any more.
_FINAL = {"not_found", "model_version_missing"}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Reading:
    """Values read from a collection. The time is of time.monotonic."""

    at_s: float
    collection: Collection
    gallery: Gallery
    rules: Rules

    @classmethod
    def of(cls, collection: Collection) -> _Reading:
        require_version(collection)
        gallery = gallery_of(collection)
        return cls(time.monotonic(), collection, gallery, rules_of(collection, gallery))


# Ids of a collection, and of the model that a camera names.
_Key = tuple[UUID, int | None]


class Readings(Part):
    """The newest reading of each collection: one stream of the process reads for all with the same
    model. A reading and its gallery are kept only while a stream uses them."""

    def __init__(self) -> None:
        self._newest: weakref.WeakValueDictionary[_Key, _Reading] = weakref.WeakValueDictionary()

    def newest(self, pk: UUID, model_id: int | None) -> _Reading:
        """Not older than _REREAD_S. ServiceError if the collection is gone; DatabaseError."""
        found = self._newest.get((pk, model_id))
        if found is None or time.monotonic() - found.at_s >= _REREAD_S:
            rows = Collection.objects.select_related("embedder", "candidate")
            row = rows.filter(pk=pk).first()
            if row is None:
                raise not_found("collection")
            found = self._newest[pk, model_id] = _Reading.of(row.seen_by_id(model_id))
        return found


class Rulebook:
    """For the stream's own thread. While the database is away, the last values stay in force.

    model_id: gives the id of the collection's model that the stream is recognised with; None is the
    one in force, also if the named one was let go.
    """

    def __init__(
        self, collection: Collection, model_id: Callable[[], int | None] = lambda: None
    ) -> None:
        """ServiceError if the collection has no threshold; DatabaseError."""
        self._model_id = model_id
        self._take(_Reading.of(collection.seen_by_id(model_id())))

    def _take(self, reading: _Reading) -> None:
        self._reading = reading
        self._next_read = reading.at_s + _REREAD_S

    @property
    def rules(self) -> Rules:
        return self._reading.rules

    @property
    def collection(self) -> Collection:
        return self._reading.collection

    @property
    def gallery(self) -> Gallery:
        return self._reading.gallery

    @property
    def flips(self) -> bool:
        """True if a face's embedding is averaged with that of its mirror image."""
        return self.collection.flip_averaging == Collection.FlipAveraging.BOTH

    @property
    def same_face(self) -> SameFace:
        """The similarities of two looks at one face."""
        curve = self.rules.curve
        return SameFace(curve.threshold(_SAME_FACE_FMR) if curve else None, self.likeness)

    @property
    def likeness(self) -> float:
        """From this similarity on, a face that comes back counts as the same."""
        curve = self.rules.curve
        return curve.threshold(_LIKENESS_FMR) if curve else self.rules.threshold

    def search(self, embeddings: Float32) -> list[list[Candidate]]:
        """Embeddings (n, d) to the best people for each."""
        rules = self.rules
        return self.gallery.search(
            embeddings, people=_PEOPLE, curve=rules.curve, is_fixed=rules.is_fixed
        )

    @property
    def scored_by(self) -> object:
        """Another one means that scores cannot be compared with those before."""
        curve = self.rules.curve
        return self.rules.is_fixed, curve.normalisation if curve else ""

    def decide(self, candidates: list[Candidate]) -> Decision:
        return decide_candidates(self.rules, candidates)

    def reread(self) -> bool:
        """Read changes if it is time; True if the model is another one now.

        ServiceError if the collection is deleted, or its model version cannot be loaded.
        """
        now, before = time.monotonic(), self.collection.embedder_id
        if now < self._next_read:
            return False
        self._next_read = now + _REREAD_S
        try:
            self._take(process().part(Readings).newest(self.collection.pk, self._model_id()))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the rules of a collection could not be read again: %s", error)
            connections.close_all()
        except ServiceError as error:
            if error.code in _FINAL:
                raise
            logger.warning("the rules of a collection are kept: %s", error.message)
        return self.collection.embedder_id != before
