"""Ways to rank people by the results of a search: nearest, mean, a vote, a linear SVM.

A decider orders people. Whether the first one is named is up to `decide`, by a threshold on the
similarity: the cosine with the person's best template, or with the mean of their templates
(`Mean`), which has a curve of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np

from ml_engine.matching.decision import Candidate, person_candidates
from ml_engine.matching.svm import LinearSvm
from ml_engine.types import Float32

Name = Literal["nearest", "mean", "vote", "svm"]
OwnerOf = Callable[[int], Hashable | None]
# A person's templates (n, d); (0, d) of one who is gone meanwhile.
VectorsOf = Callable[[Hashable], Float32]


class Decider(Protocol):
    """ranks_by_similarity: candidates come in the order of their similarity."""

    ranks_by_similarity: bool

    def rank(
        self, probe: Float32, scores: Sequence[float], ids: Sequence[int], owner_of: OwnerOf
    ) -> list[Candidate]:
        """People, the likeliest first.

        Args:
            probe: (d,) of length 1.
            scores, ids: templates that a search found for it, best first.
            owner_of: a template's person; None for a template deleted meanwhile.
        """


class Nearest:
    """By the best template."""

    ranks_by_similarity = True

    def rank(
        self, probe: Float32, scores: Sequence[float], ids: Sequence[int], owner_of: OwnerOf
    ) -> list[Candidate]:
        return person_candidates(scores, ids, owner_of)


class Mean:
    """By the mean of all of a person's templates, whose cosine is the similarity. The template of a
    candidate is the best one."""

    ranks_by_similarity = True

    def __init__(self, vectors_of: VectorsOf) -> None:
        self._vectors_of = vectors_of

    def rank(
        self, probe: Float32, scores: Sequence[float], ids: Sequence[int], owner_of: OwnerOf
    ) -> list[Candidate]:
        found = []
        for candidate in person_candidates(scores, ids, owner_of):
            vectors = self._vectors_of(candidate.person)
            if len(vectors):
                found.append(replace(candidate, similarity=float(mean_template(vectors) @ probe)))
        return sorted(found, key=lambda candidate: -candidate.similarity)


def mean_template(vectors: Float32) -> Float32:
    """Templates (n, d) of one person to their mean (d,) of length 1."""
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-6)


class Vote:
    """By the votes of the `k` best templates, each weighted by how much nearer it is than the last
    of them (Dudani, "The Distance-Weighted k-Nearest-Neighbor Rule", 1976). People without a vote
    follow by their best template."""

    ranks_by_similarity = False

    def __init__(self, k: int = 5) -> None:
        self._k = k

    def rank(
        self, probe: Float32, scores: Sequence[float], ids: Sequence[int], owner_of: OwnerOf
    ) -> list[Candidate]:
        people = person_candidates(scores, ids, owner_of)
        voters = [
            (score, person)
            for score, template in zip(scores, ids, strict=True)
            if template >= 0 and (person := owner_of(template)) is not None
        ][: self._k]
        if not voters:
            return []
        best, last = voters[0][0], voters[-1][0]
        votes: dict[Hashable, float] = {}
        for score, person in voters:
            weight = (score - last) / (best - last) if best > last else 1.0
            votes[person] = votes.get(person, 0.0) + weight
        return sorted(people, key=lambda c: (-votes.get(c.person, 0.0), -c.similarity))


class Svm:
    """By a linear SVM that was trained on the gallery.

    A person who was enrolled after the training is unknown to it and has only a similarity. Such a
    newcomer comes before the first person who is less similar.

    Args:
        model: the version that makes the probes.
        key: a person as the SVM knows them.

    Raises:
        ModelMismatch: the SVM was trained on another version.
    """

    ranks_by_similarity = False

    def __init__(self, svm: LinearSvm, *, model: str, key: Callable[[Hashable], str] = str) -> None:
        svm.check(model)
        self._svm = svm
        self._model = model
        self._key = key

    def rank(
        self, probe: Float32, scores: Sequence[float], ids: Sequence[int], owner_of: OwnerOf
    ) -> list[Candidate]:
        ranks = self._svm.scores(probe[None], model=self._model)[0]
        known: list[tuple[float, Candidate]] = []
        newcomers: list[Candidate] = []
        for candidate in person_candidates(scores, ids, owner_of):
            row = self._svm.row_of.get(self._key(candidate.person))
            if row is None:
                newcomers.append(candidate)
            else:
                known.append((float(ranks[row]), candidate))
        known.sort(key=lambda pair: -pair[0])
        return _with_newcomers([candidate for _, candidate in known], newcomers)


def _with_newcomers(known: list[Candidate], newcomers: list[Candidate]) -> list[Candidate]:
    """Both in their order; a newcomer before the first known person who is less similar."""
    ranked: list[Candidate] = []
    waiting = list(newcomers)
    for candidate in known:
        while waiting and waiting[0].similarity > candidate.similarity:
            ranked.append(waiting.pop(0))
        ranked.append(candidate)
    return ranked + waiting


def decider(
    name: Name, *, model: str, svm: LinearSvm | None = None, vectors_of: VectorsOf | None = None
) -> Decider:
    """The decider of this name, for probes of a model version.

    Raises:
        ValueError: an SVM is wanted, or the mean, and what it takes is not given.
        ModelMismatch: the SVM was trained on another version.
    """
    if name == "svm":
        if svm is None:
            raise ValueError("This decider has to be trained first.")
        return Svm(svm, model=model)
    if name == "mean":
        if vectors_of is None:
            raise ValueError("This decider needs the templates of people.")
        return Mean(vectors_of)
    return Vote() if name == "vote" else Nearest()


def without_vetoed(
    candidates: Sequence[Candidate], probe: Float32, negatives: Mapping[Any, Float32]
) -> list[Candidate]:
    """Candidates without the people whom a negative rules out.

    Args:
        negatives: by person, vectors (n, d) of faces that were wrongly taken for that person. A
            negative that is nearer to the probe than the person's best template rules the person
            out.
    """

    def is_vetoed(candidate: Candidate) -> bool:
        vectors = negatives.get(candidate.person)
        if vectors is None or not len(vectors):
            return False
        return float(np.max(vectors @ probe)) > candidate.similarity

    return [candidate for candidate in candidates if not is_vetoed(candidate)]
