"""From similarities to a person: match, unknown, or ambiguous."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ml_engine.matching.calibration import ImpostorCurve

Kind = Literal["match", "unknown", "ambiguous"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person with the best of their templates.

    similarity: cosine. rise: how much higher than in a clear picture the threshold is for this
        face and this template (see `ml_engine.matching.cohort`).
    """

    person: Hashable
    template: int
    similarity: float
    rise: float = 0.0

    @property
    def score(self) -> float:
        """What is compared with a calibrated threshold."""
        return self.similarity - self.rise


@dataclass(frozen=True, slots=True)
class Decision:
    """A kind and its reasons.

    threshold: the one that the best candidate was held against, its rise included.
    person, template: set for a match alone. similarity, fmr: of the best candidate; None if the
        gallery is empty.
    """

    kind: Kind
    threshold: float
    person: Hashable | None = None
    template: int | None = None
    similarity: float | None = None
    fmr: float | None = None
    candidates: tuple[Candidate, ...] = ()


def person_candidates(
    scores: Iterable[float],
    ids: Iterable[int],
    owner_of: Callable[[int], Hashable | None],
) -> list[Candidate]:
    """Search results (k,), best first, to people, each with their best template.

    `owner_of` gives a template's person; None for a template deleted meanwhile.
    """
    best: dict[Hashable, Candidate] = {}
    for score, template in zip(scores, ids, strict=True):
        if template < 0:
            break
        person = owner_of(int(template))
        if person is not None and person not in best:
            best[person] = Candidate(person, int(template), float(score))
    return list(best.values())


def decide(
    candidates: list[Candidate],
    threshold: float,
    margin: float = 0.0,
    curve: ImpostorCurve | None = None,
    *,
    is_fixed: bool = False,
) -> Decision:
    """Decide about candidates, the likeliest first. Ambiguous if the first two are over the
    threshold and differ by less than `margin`.

    is_fixed: somebody set the threshold by hand, so it does not rise for poor pictures.
    """
    if not candidates:
        return Decision("unknown", threshold)

    def excess(candidate: Candidate) -> float:
        return (candidate.similarity if is_fixed else candidate.score) - threshold

    best = candidates[0]
    kind: Kind = "unknown"
    if excess(best) >= 0:
        second = excess(candidates[1]) if len(candidates) > 1 else -1.0
        close = second >= 0 and abs(excess(best) - second) < margin
        kind = "ambiguous" if close else "match"
    return Decision(
        kind=kind,
        threshold=threshold if is_fixed else threshold + best.rise,
        person=best.person if kind == "match" else None,
        template=best.template if kind == "match" else None,
        similarity=best.similarity,
        fmr=curve.fmr(best.score) if curve else None,
        candidates=tuple(candidates),
    )


def name_once(decisions: Sequence[Decision]) -> list[Decision]:
    """Decisions about the faces of one picture: nobody is in it twice. Of the faces that match one
    person the best one does, by how far it is over its threshold; the others are ambiguous."""
    best: dict[Hashable, Decision] = {}
    for decision in decisions:
        if decision.kind != "match":
            continue
        other = best.setdefault(decision.person, decision)
        if _excess(decision) > _excess(other):
            best[decision.person] = decision
    return [
        decision
        if decision.kind != "match" or decision is best[decision.person]
        else replace(decision, kind="ambiguous", person=None, template=None)
        for decision in decisions
    ]


def _excess(decision: Decision) -> float:
    assert decision.similarity is not None  # a match has one
    return decision.similarity - decision.threshold
