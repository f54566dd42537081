"""The gallery of one collection: it follows the database and answers searches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable
from uuid import UUID

import numpy as np
from django.db import DatabaseError, InterfaceError, connection

from ml_engine.matching import Candidate, Decider, ImpostorCurve, decider
from ml_engine.matching.deciders import Mean
from ml_engine.matching.index import Kind
from ml_engine.types import Float32
from recognition.people.index.contents import IndexState
from recognition.people.index.indexes import kind_for, new_index
from recognition.people.index.reading import CHUNK, CollectionState, TemplateReader, names_of
from recognition.people.index.scores import Scores
from recognition.people.index.snapshots import (
    is_worth_it,
    most_followed,
    snapshot_load,
    snapshot_size,
)
from recognition.people.model_versions import curve_in_use
from recognition.people.models import Collection
from recognition.web.metrics import stage_timed

logger = logging.getLogger(__name__)

# The longest time until a change by another process is seen.
CHECK_EVERY_S = 0.5
# If an index cannot be built, for example because the disk is full, it is tried again.
_REBUILD_AGAIN_S = 300.0
# Scores that are normalised put people in another order than similarities: so many are looked at.
_LOOKED_AT = 20


class Gallery:
    """The active people of one collection, for one model. Thread-safe.

    The collection chooses the kind of index (`search_kind`) and the decider (`decider`); the
    gallery follows both choices. An SVM decides once it is trained on templates of this model;
    until then the nearest template does.

    People are identified by UUID, templates by the id of their row.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection_id: UUID = collection.pk
        self.model_id: int = collection.embedder_id
        self.model: str = collection.embedder.version
        curve = curve_in_use(collection.embedder)
        self._crowd = curve.scoring.crowd if curve else None
        self._source = TemplateReader.of(collection)
        self._contents: IndexState | None = None
        self._decider: Decider | None = None  # None: the nearest
        self._decided_by: tuple[str, object] = (Collection.Decider.NEAREST, None)
        self._rebuilding: threading.Thread | None = None
        self._next_rebuild = 0.0
        self._following = threading.Lock()
        self._next_check = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """People and templates that are searched."""
        return self._current().size

    @property
    def kind(self) -> str:
        """The kind of index that is searched now."""
        return self._current().index.kind

    @property
    def ranks_by_similarity(self) -> bool:
        """False if a vote or a trained SVM decides now."""
        return self._decider is None or self._decider.ranks_by_similarity

    @property
    def decided_by(self) -> object:
        """Another one means that people are ranked otherwise."""
        return self._decided_by

    @stage_timed("search")
    def search(
        self,
        embeddings: Float32,
        *,
        people: int = 5,
        by_similarity: bool = False,
        curve: ImpostorCurve | None = None,
        is_fixed: bool = False,
    ) -> list[list[Candidate]]:
        """For each embedding (n, d) of length 1, the best people by the collection's decider, or
        the most similar ones (`by_similarity`). People whom a `Negative` rules out are left out.

        curve: says how the threshold is moved for each candidate; None: not at all. is_fixed: the
        threshold was set by hand, so similarities are compared with it, and rank.
        """
        queries = np.atleast_2d(np.asarray(embeddings, np.float32))
        contents, ranks_by = self._current(), None if by_similarity else self._decider
        if curve is None:
            return contents.search(queries, people, ranks_by)
        looked_at = max(people, _LOOKED_AT) if curve.normalisation else people
        found = contents.search(queries, looked_at, ranks_by)
        scores = Scores(contents, curve, isinstance(ranks_by, Mean), is_fixed)
        by_score = ranks_by is None or ranks_by.ranks_by_similarity
        scored = scores.of(queries, found, by_score=by_score)
        return [candidates[:people] for candidates in scored]

    def image_of(self, template_id: int | None) -> UUID | None:
        """The image behind a template; None if the template is gone."""
        return None if template_id is None else self._current().image_of(template_id)

    def name_of(self, person_id: UUID) -> str | None:
        member = self._current().member(person_id)
        return member.name if member else None

    def external_id_of(self, person_id: UUID) -> str | None:
        member = self._current().member(person_id)
        return member.external_id if member else None

    def labels_of(self, person_id: UUID) -> tuple[str, ...]:
        member = self._current().member(person_id)
        return member.labels if member else ()

    @property
    def revision(self) -> int:
        """Changes with every change of people or templates."""
        return self._current().revision

    @property
    def held(self) -> tuple[int, int] | None:
        """Templates and revision in memory, without a query; None before the first load."""
        contents = self._contents
        return None if contents is None else (contents.size[1], contents.revision)

    @property
    def is_loaded(self) -> bool:
        return self._contents is not None

    def is_behind(self, revision: int) -> bool:
        """True if the gallery is loaded at another revision than this one. Does not query the
        database."""
        contents = self._contents
        return contents is not None and contents.revision != revision

    @property
    def snapshot(self) -> str:
        """The name of the snapshot that is mapped; empty if none is."""
        return self._contents.snapshot if self._contents is not None else ""

    def remap(self) -> None:
        """Use the newest snapshot instead of what is in memory. Searches go on meanwhile."""
        fresh = self._mapped(self._source.standing())
        if fresh is not None:
            with self._following:
                self._contents = self._contents_at(fresh, self._source.standing())

    def follow(self, *, now: bool = False) -> None:
        """Apply the changes in the database, unless that was done a moment ago; `now` applies them
        in any case. One thread does it; others continue with the present state, or wait for the
        first load."""
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

    def _current(self) -> IndexState:
        try:
            self.follow()
        except (DatabaseError, InterfaceError) as error:
            # While the database is away, streams continue with the people already loaded.
            if self._contents is None or connection.in_atomic_block:
                raise
            logger.warning("a gallery could not be brought up to date: %s", error)
            connection.close()
        assert self._contents is not None  # follow() loads or raises
        return self._contents

    def _follow(self) -> None:
        standing = self._source.standing()
        contents = self._contents
        if contents is None or contents.revision != standing.revision:
            contents = self._contents = self._contents_at(contents, standing)
        self._take_decider(standing)
        self._fit_index(contents, standing.search_kind)

    def _contents_at(self, contents: IndexState | None, standing: CollectionState) -> IndexState:
        revision = standing.revision
        changed = None
        if contents is not None and contents.revision >= standing.complete_from:
            changed = self._source.changed(contents.revision, revision)
        if contents is None or changed is None:
            return self._loaded(standing)
        self._apply(contents, changed)
        contents.revision = revision
        return contents

    def _apply(self, contents: IndexState, templates: list[int]) -> None:
        for start in range(0, len(templates), CHUNK):
            asked = templates[start : start + CHUNK]
            rows = self._source.rows_of(asked)
            there = {row.template for row in rows}
            people = {row.person for row in rows}
            names, negatives = names_of(people), self._source.negatives(people)
            contents.drop([template for template in asked if template not in there])
            contents.put(rows, names)
            contents.put_negatives(people, negatives)

    def _loaded(self, standing: CollectionState) -> IndexState:
        """Load everything, after reading the revision: changes made meanwhile are applied again
        later."""
        source = self._source
        templates = snapshot_size(source) or source.count()
        kind = kind_for(standing.search_kind, templates)
        mapped = self._mapped(standing) if is_worth_it(kind, templates) else None
        if mapped is not None:
            return mapped
        index = new_index(kind, source.dimension, self.model)
        contents = IndexState(standing.revision, index, crowd=self._crowd)
        names = source.names()
        for rows in source.all_rows():
            contents.put(rows, names)
        contents.put_negatives(names, source.negatives())
        contents.optimise()
        return contents

    def _mapped(self, standing: CollectionState) -> IndexState | None:
        """From the snapshot and what has changed since; None if there can be none."""
        contents = snapshot_load(self._source, self.model, standing.complete_from)
        if contents is None:
            return None
        negatives = self._source.negatives()
        contents.put_negatives(negatives, negatives)
        until = self._source.standing().revision
        most = most_followed(len(contents.index))
        changed = self._source.changed(contents.revision, until, most=most)
        if changed is None:
            return None
        self._apply(contents, changed)
        contents.revision = until
        return contents

    def _take_decider(self, standing: CollectionState) -> None:
        wanted = standing.decider, standing.svm
        if wanted != self._decided_by:
            self._decider = self._new_decider(standing)
            self._decided_by = wanted

    def _new_decider(self, standing: CollectionState) -> Decider | None:
        if standing.decider == Collection.Decider.VOTE:
            return decider("vote", model=self.model)
        if standing.decider == Collection.Decider.MEAN:
            return decider("mean", model=self.model, vectors_of=self._vectors_of)
        svm = self._source.svm() if standing.svm is not None else None
        return decider("svm", model=self.model, svm=svm) if svm is not None else None

    def _vectors_of(self, person: Hashable) -> Float32:
        assert self._contents is not None  # it was searched
        return self._contents.vectors_of(person)

    def _fit_index(self, contents: IndexState, choice: str) -> None:
        """Start to build another index in the background, if one is needed."""
        kind = kind_for(choice, len(contents.index), contents.index.kind)
        is_busy = self._rebuilding is not None and self._rebuilding.is_alive()
        if is_busy or time.monotonic() < self._next_rebuild or not contents.wants_index(kind):
            return
        self._rebuilding = threading.Thread(
            target=self._rebuild, args=(contents, kind), name="gallery-index", daemon=True
        )
        self._rebuilding.start()

    def _rebuild(self, contents: IndexState, kind: Kind) -> None:
        """Does not query the database."""
        try:
            contents.rebuild(kind)
        except Exception:
            logger.exception("the index of a gallery was not built; the old one stays")
            self._next_rebuild = time.monotonic() + _REBUILD_AGAIN_S
