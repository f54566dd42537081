"""Queries for the templates of one collection."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.models import CharField, Count, FilteredRelation, Min, Q, QuerySet, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from ml_engine.matching import LinearSvm
from ml_engine.matching.rows import BLOCK_ROWS
from ml_engine.types import Float32
from recognition.people.index.contents import Row
from recognition.people.index.members import Names
from recognition.people.index.snapshot_files import TemplateBlock
from recognition.people.models import (
    Collection,
    GalleryChange,
    Negative,
    Person,
    Template,
    TrainedDecider,
)

# If more templates changed than this, loading everything is quicker.
MAX_CHANGES = 20_000
CHUNK = 10_000

# A template: id, image, person, vector.
_Values = tuple[int, str, str, bytes | memoryview]


@dataclass(frozen=True, slots=True)
class CollectionState:
    """Revision and choices of a collection. svm: changes with each training; None if no SVM of the
    gallery's model decides. complete_from: an older state of this gallery is to be loaded again. A
    deleted collection counts as empty."""

    revision: int = 0
    complete_from: int = 0
    search_kind: str = Collection.SearchKind.AUTO
    decider: str = Collection.Decider.NEAREST
    svm: tuple[object, ...] | None = None


@dataclass(frozen=True, slots=True)
class TemplateReader:
    """Reads the rows of one collection that belong to the gallery of one model."""

    collection_id: UUID
    model_id: int
    dimension: int

    @classmethod
    def of(cls, collection: Collection) -> TemplateReader:
        embedder = collection.embedder
        return cls(collection.pk, embedder.pk, embedder.dimension or 0)

    def standing(self) -> CollectionState:
        """One query, because it runs twice a second."""
        decides = Q(trained_deciders__model=self.model_id)
        made = Q(model_changes__target=self.model_id)
        rows = Collection.objects.filter(pk=self.collection_id).annotate(
            its_svm=FilteredRelation("trained_deciders", condition=decides),
            its_change=FilteredRelation("model_changes", condition=made),
        )
        fields = "gallery_revision", "search_kind", "decider", "its_change__ready_revision"
        trained = "its_svm__model", "its_svm__trained_at", "its_svm__people"
        row = rows.order_by("-its_change__id").values_list(*fields, *trained).first()
        if row is None:
            return CollectionState()
        revision, search_kind, decider, complete_from, *svm = row
        is_trained = decider == Collection.Decider.SVM and svm[0] == self.model_id
        return CollectionState(
            revision=revision,
            search_kind=search_kind,
            decider=decider,
            svm=tuple(svm) if is_trained else None,
            complete_from=complete_from or 0,
        )

    def changed(self, since: int, until: int, *, most: int = 0) -> list[int] | None:
        """Templates that changed between two revisions; None if the log is pruned, or they are more
        than `most` (0: MAX_CHANGES)."""
        most = most or MAX_CHANGES
        rows = GalleryChange.objects.filter(
            collection_id=self.collection_id, revision__gt=since, revision__lte=until
        ).values_list("revision", "template_id")[: most + 1]
        known = {revision for revision, _ in rows}
        # Every revision has at least one entry: a revision without entries was pruned.
        if len(rows) > most or len(known) != until - since:
            return None
        return sorted({template for _, template in rows})

    def all_rows(self) -> Iterator[list[Row]]:
        """The templates of active people, in chunks, by id."""
        return map(_rows, self._chunks())

    def blocks(self) -> Iterator[TemplateBlock]:
        """The same, as arrays. Each block is read when it is asked for."""
        for values in self._chunks():
            ids, images, people, vectors = zip(*values, strict=True)
            yield TemplateBlock(
                ids=np.array(ids, np.int64),
                images=_bytes_of(images),
                people=_bytes_of(people),
                vectors=np.frombuffer(b"".join(vectors), "<f4").reshape(-1, self.dimension),
            )

    def _chunks(self) -> Iterator[list[_Values]]:
        """Between two ids: for "the next ones after this id", databases choose an index whose
        entries they read from the first one on, each time."""
        everything = Template.objects.filter(collection=self.collection_id, model=self.model_id)
        last = 0
        while (first := everything.filter(pk__gt=last).aggregate(pk=Min("pk"))["pk"]) is not None:
            last = first + BLOCK_ROWS - 1
            between = self._templates().filter(pk__gte=first, pk__lte=last)
            if values := _values(between.order_by("pk")):
                yield values

    def rows_of(self, templates: Sequence[int]) -> list[Row]:
        """Those of these templates that exist and belong to an active person."""
        return _rows(_values(self._templates().filter(pk__in=templates)))

    def people(self, among: Iterable[UUID] | None = None) -> set[UUID]:
        """Active people with templates. among: ids; only these people."""
        rows = self._templates().order_by()
        if among is not None:
            rows = rows.filter(image__person__in=among)
        return set(rows.values_list("image__person", flat=True).distinct())

    def count(self) -> int:
        """Templates, including those of inactive people: counted without a join."""
        rows = Template.objects.filter(collection_id=self.collection_id, model_id=self.model_id)
        return rows.count()

    def size(self) -> tuple[int, int]:
        """Active people with templates, and how many these are."""
        counts = {
            "people": Count("image__person", distinct=True),
            "templates": Count("pk"),
        }
        found = self._templates().aggregate(**counts)
        return found["people"], found["templates"]

    def qualities(self, templates: Sequence[int]) -> dict[int, float]:
        """Quality of the image of each of these templates that exists."""
        rows = self._templates().filter(pk__in=templates).order_by()
        return dict(rows.values_list("pk", "image__quality"))

    def names(self) -> dict[UUID, Names]:
        return _names(Person.objects.filter(collection_id=self.collection_id, is_active=True))

    def names_among(self, people: Sequence[UUID]) -> dict[UUID, Names]:
        """Names of these people, in the order of their ids, without those who are gone. A range is
        read several times faster than a list of ids, if the database orders ids as we do."""
        between = Q(pk__gte=people[0], pk__lte=people[-1], is_active=True)
        found = _names(Person.objects.filter(between, collection_id=self.collection_id))
        if missing := [person for person in people if person not in found]:
            found |= names_of(missing)
        return found

    def negatives(self, people: Iterable[UUID] | None = None) -> dict[UUID, Float32]:
        """Vectors (n, d) of negatives by person; people=None reads those of all people."""
        rows = Negative.objects.filter(collection_id=self.collection_id, model_id=self.model_id)
        if people is not None:
            rows = rows.filter(person__in=people)
        vectors: dict[UUID, list[Float32]] = defaultdict(list)
        for person, vector in rows.values_list("person_id", "vector"):
            vectors[person].append(Template.unpack(vector))
        return {person: np.stack(each) for person, each in vectors.items()}

    def svm(self) -> LinearSvm | None:
        """None if there is no usable SVM of this model."""
        rows = TrainedDecider.objects.filter(collection=self.collection_id, model=self.model_id)
        row = rows.select_related("model").first()
        return row.svm if row is not None else None

    def _templates(self) -> QuerySet[Template]:
        return Template.objects.filter(
            collection_id=self.collection_id,
            model_id=self.model_id,
            dimension=self.dimension,
            image__person__is_active=True,
        )


def names_of(people: Iterable[UUID]) -> dict[UUID, Names]:
    return _names(Person.objects.filter(pk__in=list(people)))


def _rows(values: list[_Values]) -> list[Row]:
    people = {text: _uuid(text) for text in {value[2] for value in values}}
    return [Row(pk, image, people[person], bytes(v)) for pk, image, person, v in values]


def _values(templates: QuerySet[Template]) -> list[_Values]:
    texts = templates.annotate(
        image_text=Cast("image_id", CharField()),
        person_text=Cast("image__person_id", CharField()),
    )
    return list(texts.values_list("pk", "image_text", "person_text", "vector"))


def _bytes_of(ids: Sequence[str]) -> NDArray[np.uint8]:
    """(n, 16): UUIDs as databases write them, with hyphens or without."""
    content = bytes.fromhex("".join(ids).replace("-", ""))
    return np.frombuffer(content, np.uint8).reshape(-1, 16)


def _names(people: QuerySet[Person]) -> dict[UUID, Names]:
    texts = people.annotate(text=Cast("pk", CharField()), its_labels=Cast("labels", TextField()))
    rows = texts.values_list("text", "name", "external_id", "its_labels")
    return {
        _uuid(text): (name, external_id, () if labels == "[]" else tuple(json.loads(labels)))
        for text, name, external_id, labels in rows
    }


def _uuid(text: str) -> UUID:
    """Twice as fast as `UUID(text)`, which checks it."""
    return UUID(int=int(text.replace("-", ""), 16))
