"""How much the threshold rises for each person whom a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from ml_engine.matching import Candidate, ImpostorCurve
from ml_engine.types import Float32
from recognition.people.index.contents import IndexState


@dataclass(frozen=True, slots=True)
class Rises:
    """of_means: the similarities are those with the mean of a person's templates."""

    contents: IndexState
    curve: ImpostorCurve
    of_means: bool

    def of(
        self, query: Float32, candidates: Sequence[Candidate], *, by_score: bool
    ) -> list[Candidate]:
        """The candidates of a query (d,) with their rises; by_score: in the order of their scores,
        else in the order that they came in."""
        rises = self._of_pictures(query, candidates) + self._of_means(candidates)
        risen = [
            replace(candidate, rise=float(rise))
            for candidate, rise in zip(candidates, rises, strict=True)
        ]
        return sorted(risen, key=lambda candidate: -candidate.score) if by_score else risen

    def _of_pictures(self, query: Float32, candidates: Sequence[Candidate]) -> Float32:
        rises = np.zeros(len(candidates), np.float32)
        if self.curve.cohort is None or not candidates:
            return rises
        index = self.contents.index
        ids, vectors = index.vectors([candidate.template for candidate in candidates])
        found = self.curve.cohort.rises(np.broadcast_to(query, vectors.shape), vectors)
        # One that was removed meanwhile has no vector.
        rise_of = dict(zip(ids.tolist(), found.tolist(), strict=True))
        return np.array([rise_of.get(each.template, 0.0) for each in candidates], np.float32)

    def _of_means(self, candidates: Sequence[Candidate]) -> Float32:
        if not self.of_means:
            return np.zeros(len(candidates), np.float32)
        counts = [self._templates(candidate.person) for candidate in candidates]
        return np.array([self.curve.mean_rise(count) for count in counts], np.float32)

    def _templates(self, person: object) -> int:
        member = self.contents.member(person) if isinstance(person, UUID) else None
        return max(1, len(member.templates)) if member else 1
