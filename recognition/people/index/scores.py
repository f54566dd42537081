"""Scores of the people whom a search found."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml_engine.matching import Candidate, ImpostorCurve, compared
from ml_engine.matching.deciders import mean_template
from ml_engine.types import Float32
from recognition.people.index.contents import IndexState

# A person's template with the best score is seldom the most similar one: so many of each person are
# looked at, the most similar ones.
_TEMPLATES_LOOKED_AT = 8

# By person, their templates: ids and vectors (n, d).
_Templates = Mapping[Hashable, tuple[Sequence[int], Float32]]


@dataclass(frozen=True, slots=True)
class Scores:
    """of_means: people are compared by the mean of their templates. is_fixed: see `Candidate`."""

    contents: IndexState
    curve: ImpostorCurve
    of_means: bool
    is_fixed: bool

    def of(
        self, queries: Float32, found: Sequence[Sequence[Candidate]], *, by_score: bool
    ) -> list[list[Candidate]]:
        """The candidates of each query (n, d), each with the template of the best score, without
        those whose templates were removed meanwhile. by_score: in the order of their scores, else
        in the order that they came in."""
        templates = self.contents.templates_of({c.person for each in found for c in each})
        scored = [
            list(self._scored(query, candidates, templates))
            for query, candidates in zip(queries, found, strict=True)
        ]
        if by_score:
            for candidates in scored:
                candidates.sort(key=lambda candidate: -candidate.score)
        return scored

    def _scored(
        self, query: Float32, candidates: Sequence[Candidate], templates: _Templates
    ) -> Iterator[Candidate]:
        there = [each for each in candidates if each.person in templates]
        owners: list[tuple[Hashable, int]] = []
        vectors = []
        for each in there:
            ids, rows = self._compared_with(query, each, *templates[each.person])
            owners += [(each.person, int(template)) for template in ids]
            vectors.append(rows)
        if not there:
            return
        best: dict[Hashable, Candidate] = {}
        cohort, rows = self.curve.scoring, np.concatenate(vectors)
        norms = None
        if cohort.crowd and not self.of_means:
            norms = self.contents.norms_of(cohort.crowd, [each for _, each in owners], rows)
        for pair in compared(query, rows, owners, cohort, norms=norms, is_fixed=self.is_fixed):
            known = best.setdefault(pair.person, pair)
            if pair.score > known.score:
                best[pair.person] = pair
        for each in there:
            yield self._of_mean(best[each.person], len(templates[each.person][0]))

    def _compared_with(
        self, query: Float32, found: Candidate, ids: Sequence[int], vectors: Float32
    ) -> tuple[Sequence[int], Float32]:
        if self.of_means:
            return [found.template], mean_template(vectors)[None]
        nearest = np.argsort(-(vectors @ query), kind="stable")[:_TEMPLATES_LOOKED_AT]
        return [ids[n] for n in nearest], vectors[nearest]

    def _of_mean(self, found: Candidate, templates: int) -> Candidate:
        """A mean of several templates is more similar to strangers, too."""
        if not self.of_means:
            return found
        rise = found.stretch * self.curve.mean_rise(templates)
        return replace(found, rise=found.rise + rise)
