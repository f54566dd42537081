"""One state of a gallery, in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from ml_engine.matching import Candidate, VectorIndex, person_candidates
from ml_engine.types import Float32

# Templates looked at for each person wanted; more where people have more.
_TEMPLATES_EACH = 8


@dataclass(slots=True)
class Member:
    """A person with templates."""

    name: str
    external_id: str | None
    templates: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A template as it stands in the database; `vector` as bytes, `image` as text: making a UUID
    for each would take longer than all the rest."""

    template: int
    image: str
    person: UUID
    vector: bytes


class Contents:
    """One state of a gallery: index, whose templates they are, who these people are."""

    def __init__(self, dimension: int, model: str, revision: int) -> None:
        self.revision = revision
        self.index = VectorIndex(dimension, model)
        self._lock = threading.Lock()
        self._rows: dict[int, tuple[UUID, str]] = {}  # template to person and image
        self._people: dict[UUID, Member] = {}

    @property
    def size(self) -> tuple[int, int]:
        return len(self._people), len(self._rows)

    def member(self, person: UUID) -> Member | None:
        return self._people.get(person)

    def image_of(self, template: int) -> UUID | None:
        row = self._rows.get(template)
        return UUID(row[1]) if row else None

    def put(self, rows: Sequence[Row], names: dict[UUID, tuple[str, str | None]]) -> None:
        """Add templates, or take over what changed about them."""
        if not rows:
            return
        with self._lock:
            for row in rows:
                name, external_id = names.get(row.person, ("", None))
                member = self._people.setdefault(row.person, Member(name, external_id))
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
