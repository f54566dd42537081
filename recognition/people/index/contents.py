"""One state of a gallery, in memory."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching import Candidate, Decider, VectorIndex, person_candidates, without_vetoed
from ml_engine.matching.crowd import Crowd, Norms
from ml_engine.matching.index import Kind
from ml_engine.matching.kept_norms import KeptNorms
from ml_engine.types import Float32
from recognition.people.index.indexes import is_outgrown, new_index
from recognition.people.index.members import Member, Members, Names, StoredOwners

# Templates fetched for each person asked for; more if people have more templates.
_TEMPLATES_EACH = 8
# A decider ranks at least this many people, so that the first place does not depend on how many the
# caller asks for.
_LEAST_RANKED = 5
_COPIED_AT_ONCE = 1 << 13


@dataclass(frozen=True, slots=True)
class Row:
    """A template as stored in the database. `vector` is bytes and `image` is text: building a UUID
    for each row would take longer than the rest of the loading. The vector of a template never
    changes."""

    template: int
    image: str
    person: UUID
    vector: bytes


class IndexState:
    """The index, the owners of its templates, the names of these people, and their negatives.

    Any number of threads may search; one thread at a time may change it.
    """

    def __init__(
        self,
        revision: int,
        index: VectorIndex,
        stored: StoredOwners | None = None,
        snapshot: str = "",
        crowd: Crowd | None = None,
    ) -> None:
        """stored: owners of the templates that are in the index already. snapshot: the name of the
        one that both are from. crowd: of the model\'s curve, so that norms of new templates are
        there before a search."""
        self.revision = revision
        self.snapshot = snapshot
        self.index = index
        self._learnt_from = len(index)
        self._norms = KeptNorms(crowd)
        self._changing = threading.Lock()
        self._members = Members(stored)
        self._negatives: dict[Hashable, Float32] = {}

    @property
    def size(self) -> tuple[int, int]:
        return self._members.size

    def member(self, person: UUID) -> Member | None:
        return self._members.member(person)

    def image_of(self, template: int) -> UUID | None:
        owner = self._members.owner(template)
        return UUID(owner[1]) if owner else None

    def vectors_of(self, person: Hashable) -> Float32:
        """(n, d): a person's templates; (0, d) for a person who is not here."""
        member = self._members.member(person)  # type: ignore[arg-type]
        return self.index.vectors(list(member.templates) if member else [])[1]

    def templates_of(self, people: Iterable[Hashable]) -> dict[Hashable, tuple[list[int], Float32]]:
        """By person their templates, ids and vectors (n, d), without people who have none."""
        members = ((person, self._members.member(person)) for person in people)  # type: ignore[arg-type]
        ids_of = {person: list(member.templates) for person, member in members if member}
        ids, vectors = self.index.vectors([each for ids in ids_of.values() for each in ids])
        row_of = {int(template): row for row, template in enumerate(ids)}
        there = {person: [t for t in ids if t in row_of] for person, ids in ids_of.items()}
        return {
            person: (ids, vectors[[row_of[template] for template in ids]])
            for person, ids in there.items()
            if ids
        }

    def norms_of(self, crowd: Crowd, templates: Sequence[int], vectors: Float32) -> Norms:
        """Of different templates, by their ids (n,) and vectors (n, d)."""
        norms = self._norms.of(crowd, np.array(templates, np.int64), vectors)
        # Templates that were removed since the search must leave nothing.
        self._norms.drop(
            [template for template in templates if self._members.owner(template) is None]
        )
        return norms

    def put(self, rows: Sequence[Row], names: Mapping[UUID, Names]) -> None:
        """Add templates, or take over what changed about them."""
        if not rows:
            return
        flat = np.frombuffer(b"".join(row.vector for row in rows), "<f4")
        vectors = flat.reshape(len(rows), -1)
        ids = np.fromiter((row.template for row in rows), np.int64, len(rows))
        with self._changing:
            for row in rows:
                known = names.get(row.person, ("", None, ()))
                self._members.put(row.template, (row.person, row.image), known)
            # Owners first: every template that a search finds must have an owner.
            self.index.add(ids, vectors, model=self.index.model)
            self._norms.put(ids, vectors)

    def drop(self, templates: Sequence[int]) -> None:
        with self._changing:
            self.index.remove(templates)
            for template in templates:
                owner = self._members.owner(template)
                self._members.drop(template)
                if owner is not None and self._members.member(owner[0]) is None:
                    self._negatives.pop(owner[0], None)
            self._norms.drop(templates)

    def put_negatives(self, people: Iterable[UUID], found: Mapping[UUID, Float32]) -> None:
        """Replace the negatives of these people. found: vectors (n, d) by person; a person that is
        missing from it has none."""
        with self._changing:
            for person in people:
                if person in found and self._members.member(person) is not None:
                    self._negatives[person] = found[person]
                else:
                    self._negatives.pop(person, None)

    def wants_index(self, kind: Kind) -> bool:
        """True if `rebuild` is due: another kind is wanted, or the gallery has grown much since the
        index was optimised."""
        return self.index.kind != kind or is_outgrown(self.index, self._learnt_from)

    def optimise(self) -> None:
        """Optimise the index for the templates it holds. Searches wait."""
        self._learnt_from = len(self.index)
        self.index.optimise()

    def rebuild(self, kind: Kind) -> None:
        """Replace the index by a new one. Searches and changes use the old one until the new one is
        ready."""
        old = self.index
        fresh = new_index(kind, old.dimension, old.model)
        _copy(old, fresh, old.ids)
        learnt_from = len(fresh)
        fresh.optimise()
        with self._changing:
            fresh.remove(np.setdiff1d(fresh.ids, old.ids))
            _copy(old, fresh, np.setdiff1d(old.ids, fresh.ids))
            self.index, self._learnt_from = fresh, learnt_from

    def search(
        self, queries: Float32, people: int, decider: Decider | None = None
    ) -> list[list[Candidate]]:
        """For each query (q, d) the best people, each with the best of their templates.

        decider: ranks the people; None ranks by similarity.
        """
        least = people if decider is None else max(people, _LEAST_RANKED)
        wanted = min(least, self._members.size[0])
        looked_at = least * _TEMPLATES_EACH
        # A decider ranks everybody of whom a template was found, and negatives rule people out.
        most = None if decider is not None or self._negatives else least
        while True:
            index = self.index
            count = len(index)
            scores, ids = index.search(queries, max(1, min(looked_at, count)), model=index.model)
            results = list(zip(queries, scores.tolist(), ids.tolist(), strict=True))
            found = [self._nearest(*result, most) for result in results]
            if looked_at >= count or all(len(candidates) >= wanted for candidates in found):
                break
            looked_at *= 4
        if decider is not None:
            found = [
                self._ranked(decider, *result, candidates)
                for result, candidates in zip(results, found, strict=True)
            ]
        return [candidates[:people] for candidates in found]

    def _nearest(
        self, query: Float32, scores: list[float], ids: list[int], most: int | None
    ) -> list[Candidate]:
        found = person_candidates(scores, ids, self._owner_of, most=most)
        return without_vetoed(found, query, self._negatives) if self._negatives else found

    def _ranked(
        self,
        decider: Decider,
        query: Float32,
        scores: list[float],
        ids: list[int],
        candidates: list[Candidate],
    ) -> list[Candidate]:
        """Rank the candidates by the decider, which sees the templates of these candidates only."""
        people = {candidate.person for candidate in candidates}

        def owner_of(template: int) -> UUID | None:
            owner = self._owner_of(template)
            return owner if owner in people else None

        return decider.rank(query, scores, ids, owner_of)

    def _owner_of(self, template: int) -> UUID | None:
        owner = self._members.owner(template)
        return owner[0] if owner else None


def _copy(source: VectorIndex, target: VectorIndex, ids: NDArray[np.int64]) -> None:
    for start in range(0, len(ids), _COPIED_AT_ONCE):
        some = source.vectors(ids[start : start + _COPIED_AT_ONCE])
        target.add(*some, model=source.model)
