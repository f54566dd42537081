"""The templates of each collection in memory, kept in step with the database.

The database is the truth. Whoever changes templates calls `note_changes` in the same transaction:
it raises the collection's revision under the row's lock and names the templates. A gallery reads
the changes after its own revision, and takes from the database what those templates are now; where
it missed too much, it loads everything again. That happens on commit in the process that changed
something, and before a search in every other one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import numpy as np
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import CharField, F, Max, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone
from numpy.typing import NDArray

from ml_engine.matching import Candidate, VectorIndex, person_candidates
from recognition.models import Collection, GalleryChange, Person, Template

logger = logging.getLogger(__name__)

# What other processes change is seen this much later at most.
CHECK_EVERY_S = 0.5
# Behind by more than this, loading everything is quicker.
MAX_CHANGES = 20_000
CHANGES_KEPT = timedelta(hours=1)
_CHUNK = 10_000
# Templates looked at for each person wanted; more where people have more.
_TEMPLATES_EACH = 8

Float32 = NDArray[np.float32]


@dataclass(slots=True)
class _Member:
    """A person with templates."""

    name: str
    external_id: str | None
    templates: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """A template as it stands in the database; `vector` as bytes, `image` as text: making a UUID
    for each would take longer than all the rest."""

    template: int
    image: str
    person: UUID
    vector: bytes


class _Contents:
    """One state of a gallery: index, whose templates they are, who these people are."""

    def __init__(self, dimension: int, model: str, revision: int) -> None:
        self.revision = revision
        self.index = VectorIndex(dimension, model)
        self._lock = threading.Lock()
        self._rows: dict[int, tuple[UUID, str]] = {}  # template to person and image
        self._people: dict[UUID, _Member] = {}

    @property
    def size(self) -> tuple[int, int]:
        return len(self._people), len(self._rows)

    def member(self, person: UUID) -> _Member | None:
        return self._people.get(person)

    def image_of(self, template: int) -> UUID | None:
        row = self._rows.get(template)
        return UUID(row[1]) if row else None

    def put(self, rows: Sequence[_Row], names: dict[UUID, tuple[str, str | None]]) -> None:
        """Add templates, or take over what changed about them."""
        if not rows:
            return
        with self._lock:
            for row in rows:
                name, external_id = names.get(row.person, ("", None))
                member = self._people.setdefault(row.person, _Member(name, external_id))
                member.name, member.external_id = name, external_id
                member.templates += 1
                # In place: whoever searches meanwhile finds one owner or the other.
                before = self._rows.get(row.template)
                self._rows[row.template] = (row.person, row.image)
                self._release(before)
        # Owners first: a template that is found must be somebody's.
        flat = np.frombuffer(b"".join(row.vector for row in rows), "<f4")
        ids = np.fromiter((row.template for row in rows), np.int64, len(rows))
        self.index.add(ids, flat.reshape(len(rows), -1), model=self.index.model)

    def drop(self, templates: Sequence[int]) -> None:
        self.index.remove(templates)
        with self._lock:
            for template in templates:
                self._forget(template)

    def search(self, queries: Float32, people: int) -> list[list[Candidate]]:
        """For each query (q, d) the best people, each with the best of their templates."""
        wanted = min(people, len(self._people))
        looked_at = people * _TEMPLATES_EACH
        while True:
            count = len(self.index)
            scores, ids = self.index.search(queries, max(1, min(looked_at, count)))
            found = [
                person_candidates(row, templates, self._owner_of)[:people]
                for row, templates in zip(scores.tolist(), ids.tolist(), strict=True)
            ]
            if looked_at >= count or all(len(candidates) >= wanted for candidates in found):
                return found
            looked_at *= 4

    def _owner_of(self, template: int) -> UUID | None:
        row = self._rows.get(template)
        return row[0] if row else None

    def _forget(self, template: int) -> None:
        self._release(self._rows.pop(template, None))

    def _release(self, row: tuple[UUID, str] | None) -> None:
        """A template of this person, which is theirs no more."""
        if row is None:
            return
        member = self._people[row[0]]
        member.templates -= 1
        if not member.templates:
            del self._people[row[0]]


class Gallery:
    """The active people of one collection, for one model. Thread-safe.

    People are named by their UUID, templates by the number of their row.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection_id: UUID = collection.pk
        self.model_id: int = collection.embedder_id
        self.model: str = collection.embedder.preset
        self._dimension = collection.embedder.dimension or 0
        self._contents: _Contents | None = None
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

    def _current(self) -> _Contents:
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
        row = Collection.objects.filter(pk=self.collection_id).values_list("gallery_revision")
        revision = row[0][0] if row else 0
        contents = self._contents
        if contents is not None and contents.revision == revision:
            return
        changed = self._changed(contents.revision, revision) if contents is not None else None
        if contents is None or changed is None:
            self._contents = self._loaded(revision)
            return
        self._apply(contents, changed)
        contents.revision = revision

    def _changed(self, since: int, until: int) -> list[int] | None:
        """Templates to look at again; None where it is not known, or too many."""
        rows = GalleryChange.objects.filter(
            collection_id=self.collection_id, revision__gt=since, revision__lte=until
        ).values_list("revision", "template_id")[: MAX_CHANGES + 1]
        known = {revision for revision, _ in rows}
        # Every revision names a template: one that has none was pruned.
        if len(rows) > MAX_CHANGES or len(known) != until - since:
            return None
        return sorted({template for _, template in rows})

    def _apply(self, contents: _Contents, templates: list[int]) -> None:
        for start in range(0, len(templates), _CHUNK):
            asked = templates[start : start + _CHUNK]
            rows = self._rows(self._templates().filter(pk__in=asked))
            people = Person.objects.filter(pk__in={row.person for row in rows})
            there = {row.template for row in rows}
            contents.drop([template for template in asked if template not in there])
            contents.put(rows, _names(people))

    def _loaded(self, revision: int) -> _Contents:
        """Everything, read after the revision: what changes meanwhile is looked at again later."""
        contents = _Contents(self._dimension, self.model, revision)
        names = _names(Person.objects.filter(collection_id=self.collection_id, is_active=True))
        last = 0
        while True:
            chunk = self._templates().filter(pk__gt=last).order_by("pk")[:_CHUNK]
            rows = self._rows(chunk)
            contents.put(rows, names)
            if len(rows) < _CHUNK:
                return contents
            last = rows[-1].template

    def _templates(self) -> QuerySet[Template]:
        return Template.objects.filter(
            collection_id=self.collection_id,
            model_id=self.model_id,
            dimension=self._dimension,
            image__person__is_active=True,
        )

    @staticmethod
    def _rows(templates: QuerySet[Template]) -> list[_Row]:
        texts = templates.annotate(
            image_text=Cast("image_id", CharField()),
            person_text=Cast("image__person_id", CharField()),
        )
        values = list(texts.values_list("pk", "image_text", "person_text", "vector"))
        people = {text: UUID(text) for text in {value[2] for value in values}}
        return [_Row(pk, image, people[person], bytes(v)) for pk, image, person, v in values]


def _names(people: QuerySet[Person]) -> dict[UUID, tuple[str, str | None]]:
    rows = people.values_list("pk", "name", "external_id")
    return {pk: (name, external_id) for pk, name, external_id in rows}


_galleries: dict[tuple[UUID, int], Gallery] = {}
_lock = threading.Lock()


def gallery_of(collection: Collection) -> Gallery:
    """The gallery of a collection in this process. It is loaded when it is first asked."""
    key = (collection.pk, collection.embedder_id)
    with _lock:
        gallery = _galleries.get(key)
    if gallery is None:
        made = Gallery(collection)
        with _lock:
            gallery = _galleries.setdefault(key, made)
    return gallery


def forget_galleries(collection_id: UUID | None = None) -> None:
    """Drop a collection's gallery, or all of them, from memory."""
    with _lock:
        for key in list(_galleries):
            if collection_id in (None, key[0]):
                del _galleries[key]


def note_changes(collection: Collection, template_ids: Iterable[int]) -> None:
    """Within the caller's transaction: these templates are new, gone, or somebody else's now.

    Locks the collection's row until the commit, so that revisions become visible in order. The
    caller must not search the gallery between this and the commit: it would take over a revision
    that may never come to be.
    """
    templates = sorted(set(template_ids))
    if not templates:
        return
    mine = Collection.objects.filter(pk=collection.pk)
    mine.update(gallery_revision=F("gallery_revision") + 1)
    revision = mine.values_list("gallery_revision", flat=True).get()
    GalleryChange.objects.bulk_create(
        [
            GalleryChange(collection_id=collection.pk, revision=revision, template_id=template)
            for template in templates
        ],
        batch_size=1000,
    )
    transaction.on_commit(partial(_follow_now, collection.pk), robust=True)


def _follow_now(collection_id: UUID) -> None:
    with _lock:
        mine = [gallery for key, gallery in _galleries.items() if key[0] == collection_id]
    for gallery in mine:
        if gallery.is_loaded:
            gallery.follow(now=True)


def changes_prune() -> int:
    """Delete old entries of the log; a process that still needed one loads everything.

    By whole revisions: of one that was left in part, a process would take that part for all of it.
    """
    old = GalleryChange.objects.filter(created_at__lt=timezone.now() - CHANGES_KEPT)
    last = dict(old.values_list("collection").annotate(Max("revision")))
    return sum(
        GalleryChange.objects.filter(collection=pk, revision__lte=revision).delete()[0]
        for pk, revision in last.items()
    )
