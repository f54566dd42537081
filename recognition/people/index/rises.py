"""How the threshold is moved for each person whom a search found."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from ml_engine.matching import Candidate, ImpostorCurve
from ml_engine.matching.deciders import mean_template
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
        """The candidates of each query (n, d) with their rises and stretches, without those whose
        templates were removed meanwhile; by_score: in the order of their scores, else in the order
        that they came in."""
        compared = self._compared([each for candidates in found for each in candidates])
        there = [[each for each in candidates if each in compared] for candidates in found]
        moved = iter(self._moved(queries, there, compared))
        risen = [[next(moved) for _ in candidates] for candidates in there]
        if by_score:
            for candidates in risen:
                candidates.sort(key=lambda candidate: -candidate.score)
        return risen

    def _moved(
        self,
        queries: Float32,
        found: Sequence[Sequence[Candidate]],
        compared: dict[Candidate, Float32],
    ) -> list[Candidate]:
        flat = [each for candidates in found for each in candidates]
        if not flat:
            return []
        cohort = self.curve.scoring
        query = np.repeat(np.arange(len(found)), [len(candidates) for candidates in found])
        templates = np.stack([compared[each] for each in flat])
        scales = cohort.scales(cohort.seen(queries)[query], cohort.seen(templates))
        rises = scales.rises + scales.stretches * self._of_means(flat)
        values = zip(flat, rises.tolist(), scales.stretches.tolist(), strict=True)
        return [replace(each, rise=rise, stretch=stretch) for each, rise, stretch in values]

    def _compared(self, candidates: Sequence[Candidate]) -> dict[Candidate, Float32]:
        """The vector (d,) that each was compared with."""
        if self.of_means:
            vectors = {each: self.contents.vectors_of(each.person) for each in candidates}
            return {each: mean_template(v) for each, v in vectors.items() if len(v)}
        templates = list({each.template for each in candidates})
        vector_of = dict(zip(*self.contents.index.vectors(templates), strict=True))
        return {c: vector_of[c.template] for c in candidates if c.template in vector_of}

    def _of_means(self, candidates: Sequence[Candidate]) -> Float32:
        if not self.of_means:
            return np.zeros(len(candidates), np.float32)
        counts = [self._templates(candidate.person) for candidate in candidates]
        return np.array([self.curve.mean_rise(count) for count in counts], np.float32)

    def _templates(self, person: Hashable) -> int:
        member = self.contents.member(person) if isinstance(person, UUID) else None
        return max(1, len(member.templates)) if member else 1
