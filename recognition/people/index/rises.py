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
        self, queries: Float32, found: Sequence[Sequence[Candidate]], *, by_score: bool
    ) -> list[list[Candidate]]:
        """The candidates of each query (n, d) with their rises; by_score: in the order of their
        scores, else in the order that they came in."""
        flat = [candidate for candidates in found for candidate in candidates]
        probes = np.repeat(queries, [len(candidates) for candidates in found], axis=0)
        rises = iter((self._of_pictures(probes, flat) + self._of_means(flat)).tolist())
        risen = [[replace(each, rise=next(rises)) for each in candidates] for candidates in found]
        if by_score:
            for candidates in risen:
                candidates.sort(key=lambda candidate: -candidate.score)
        return risen

    def _of_pictures(self, probes: Float32, candidates: Sequence[Candidate]) -> Float32:
        """probes: the face (n, d) of each candidate."""
        rises = np.zeros(len(candidates), np.float32)
        if self.curve.cohort is None or not candidates:
            return rises
        templates = [candidate.template for candidate in candidates]
        known, vectors = self.contents.index.vectors(templates)
        # One that was removed meanwhile has no vector.
        rows = np.flatnonzero(np.isin(np.array(templates), known))
        rises[rows] = self.curve.cohort.rises(probes[rows], vectors)
        return rises

    def _of_means(self, candidates: Sequence[Candidate]) -> Float32:
        if not self.of_means:
            return np.zeros(len(candidates), np.float32)
        counts = [self._templates(candidate.person) for candidate in candidates]
        return np.array([self.curve.mean_rise(count) for count in counts], np.float32)

    def _templates(self, person: object) -> int:
        member = self.contents.member(person) if isinstance(person, UUID) else None
        return max(1, len(member.templates)) if member else 1
