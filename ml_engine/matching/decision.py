"""From similarities to a person: match, unknown, or ambiguous."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ml_engine.matching.calibration import ImpostorCurve
from ml_engine.matching.cohort import Cohort
from ml_engine.matching.crowd import Norms
from ml_engine.types import Float32

Kind = Literal["match", "unknown", "ambiguous"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person with the best of their templates.

    similarity: cosine. rise, stretch: how a calibrated threshold is moved for this face and this
        template (see `ml_engine.matching.cohort`).
    is_fixed: the threshold was set by hand. It is a similarity, the same for all faces.
    """

    person: Hashable
    template: int
    similarity: float
    rise: float = 0.0
    stretch: float = 1.0
    is_fixed: bool = False

    @property
    def score(self) -> float:
        """What is compared with the threshold, and ranks people."""
        return self.similarity if self.is_fixed else self.calibrated

    @property
    def calibrated(self) -> float:
        """What is compared with a curve."""
        return (self.similarity - self.rise) / self.stretch

    def needed(self, threshold: float) -> float:
        """The similarity whose score is this threshold."""
        return threshold if self.is_fixed else self.rise + self.stretch * threshold


@dataclass(frozen=True, slots=True)
class Decision:
    """A kind and its reasons.

    threshold: the similarity that the best candidate needed. excess: by how much the score of the
        best candidate is over the threshold; scores of two faces can be compared, and similarities
        cannot.
    person, template: set for a match alone. similarity, fmr: of the best candidate; None if the
        gallery is empty.
    model: version of the embedder, whose similarities these are.
    """

    kind: Kind
    threshold: float
    person: Hashable | None = None
    template: int | None = None
    similarity: float | None = None
    fmr: float | None = None
    excess: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    model: str = ""


def person_candidates(
    scores: Iterable[float],
    ids: Iterable[int],
    owner_of: Callable[[int], Hashable | None],
    *,
    most: int | None = None,
) -> list[Candidate]:
    """Search results (k,), best first, to people, each with their best template.

    `owner_of` gives a template's person; None for a template deleted meanwhile. most: stop after
    so many people.
    """
    best: dict[Hashable, Candidate] = {}
    for score, template in zip(scores, ids, strict=True):
        if template < 0:
            break
        person = owner_of(int(template))
        if person is not None and person not in best:
            best[person] = Candidate(person, int(template), float(score))
            if len(best) == most:
                break
    return list(best.values())


def compared(
    face: Float32,
    templates: Float32,
    owners: Iterable[tuple[Hashable, int]],
    cohort: Cohort,
    *,
    norms: Norms | None = None,
    is_fixed: bool = False,
) -> list[Candidate]:
    """A face (d,) with each of the templates (n, d), in their order. owners: the person and the
    number of each template. norms: of the templates, if they are known already."""
    scales = cohort.scales(cohort.seen(face[None]), cohort.seen(templates, norms))
    values = zip(templates @ face, scales.rises, scales.stretches, strict=True)
    return [
        Candidate(person, template, float(similarity), float(rise), float(stretch), is_fixed)
        for (person, template), (similarity, rise, stretch) in zip(owners, values, strict=True)
    ]


def decide(
    candidates: list[Candidate],
    threshold: float,
    margin: float = 0.0,
    curve: ImpostorCurve | None = None,
    model: str = "",
) -> Decision:
    """Decide about candidates, the likeliest first. Ambiguous if the first two are over the
    threshold and differ by less than `margin`."""
    if not candidates:
        return Decision("unknown", threshold, model=model)
    best = candidates[0]
    excess = best.score - threshold
    kind: Kind = "unknown"
    if excess >= 0:
        second = candidates[1].score - threshold if len(candidates) > 1 else -1.0
        close = second >= 0 and abs(excess - second) < margin
        kind = "ambiguous" if close else "match"
    return Decision(
        kind=kind,
        threshold=best.needed(threshold),
        person=best.person if kind == "match" else None,
        template=best.template if kind == "match" else None,
        similarity=best.similarity,
        fmr=curve.fmr(best.calibrated) if curve else None,
        excess=excess,
        candidates=tuple(candidates),
        model=model,
    )


def name_once(decisions: Sequence[Decision]) -> list[Decision]:
    """Decisions about the faces of one picture: nobody is in it twice. Of the faces that match one
    person the best one does, by how far it is over its threshold; the others are ambiguous."""
    best: dict[Hashable, Decision] = {}
    for decision in decisions:
        if decision.kind != "match":
            continue
        other = best.setdefault(decision.person, decision)
        if decision.excess > other.excess:
            best[decision.person] = decision
    return [
        decision
        if decision.kind != "match" or decision is best[decision.person]
        else replace(decision, kind="ambiguous", person=None, template=None)
        for decision in decisions
    ]
