"""One decision for a whole track, so that a single blurred frame decides nothing.

Each look at the face gives scores of people. A person's score is the mean over the looks, weighted
by the square of the quality and by the time that a look stands for, so that a camera with 25 frames
a second decides as soon, and on as much, as one with 5. A mean of scores is no higher for strangers
than a single one (averaging the embeddings themselves would raise theirs), so a threshold that was
calibrated for one comparison stays on the safe side. The mean similarity is only shown.

Old looks fade: a face that was covered for a while is named soon after it is seen well, and a name
is dropped when the face belongs to another person. They fade slowly: if every few looks were judged
on their own, a stranger who stays would get a new chance of a false name each time.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from ml_engine.matching.decision import Candidate, Decision

# A face of lower quality gets no name: all such faces look similar.
LEAST_QUALITY = 0.25
# Number of people who are remembered over all looks.
_PEOPLE_KEPT = 64
# After this time a look counts half.
HALF_LIFE_S = 8.0
# A look stands for the time since the one before it, within these limits: the looks of a settled
# face are a second apart, and each of them is still one picture only.
_LEAST_SLICE_S, _FIRST_SLICE_S, _MOST_SLICE_S = 0.03, 0.1, 0.2
# A name is settled by two looks that agree each on its own, or by three in the mean.
_SURE_LOOKS, _AGREEING_LOOKS = 2, 3
NAME_S = 0.2
# "Unknown" takes longer: it is often only a face that has not turned to the camera yet.
NAMELESS_S = 0.7
# Times are sums of frame intervals.
_ROUNDING_S = 1e-3


class Consensus:
    """Args:

    half_life_s: None if looks do not fade.
    power: of the quality, by which looks weigh.
    by_rank: candidates were ranked by something else than their score: the person who was
        first in most looks, weighted, is first.
    """

    def __init__(
        self,
        *,
        half_life_s: float | None = HALF_LIFE_S,
        power: int = 2,
        by_rank: bool = False,
    ) -> None:
        self._half_life_s = half_life_s
        self._power = power
        self._by_rank = by_rank
        self.restart()

    def restart(self) -> None:
        """Forget everything: the track seems to have passed to another person."""
        self.count = 0  # looks that can give a name
        self._sums = _Sums(by_rank=self._by_rank)
        self._last_s: float | None = None
        self._outcome: Hashable = None
        # Looks with the same outcome until now, and those of them that gave it alone.
        self.in_a_row = 0
        self._sure = 0
        self._agreed_s = self._noted_s = 0.0

    def add(self, candidates: list[Candidate], quality: float, at_s: float) -> bool:
        """One look: the best people (at most a few), best first, and the face's quality 0..1.
        False if the quality is too low to give a name."""
        if quality < LEAST_QUALITY:
            return False
        since_s = _FIRST_SLICE_S if self._last_s is None else at_s - self._last_s
        if self._half_life_s is not None:
            self._sums.fade(0.5 ** (max(0.0, since_s) / self._half_life_s))
        slice_s = min(max(since_s, _LEAST_SLICE_S), _MOST_SLICE_S)
        self._sums.add(candidates, quality**self._power * slice_s)
        self._last_s = at_s
        self.count += 1
        return True

    def candidates(self) -> list[Candidate]:
        """People with their mean score and similarity over the looks, best first."""
        return self._sums.means()

    def note(self, decision: Decision, at_s: float, *, alone: Decision | None = None) -> None:
        """Take in the decision after a look. alone: the decision for this look only."""
        outcome = _outcome_of(decision)
        if outcome != self._outcome:
            self._outcome, self._agreed_s = outcome, at_s
            self.in_a_row = self._sure = 0
        self.in_a_row += 1
        self._sure += alone is not None and _outcome_of(alone) == outcome
        self._noted_s = at_s

    @property
    def agreed_for_s(self) -> float:
        """How long the last looks agreed."""
        return self._noted_s - self._agreed_s

    @property
    def is_settled(self) -> bool:
        """True when the last looks agreed: the face need not be looked at in every frame."""
        is_nameless = self._outcome in ("unknown", "ambiguous")
        is_enough = self.in_a_row >= _AGREEING_LOOKS or (
            self._sure >= _SURE_LOOKS and not is_nameless
        )
        needed_s = NAMELESS_S if is_nameless else NAME_S
        return is_enough and self.agreed_for_s >= needed_s - _ROUNDING_S


def _outcome_of(decision: Decision) -> Hashable:
    return decision.person if decision.kind == "match" else decision.kind


@dataclass(slots=True)
class _Sum:
    """Weighted scores and similarities, summed over looks."""

    score: float = 0.0
    similarity: float = 0.0

    def add(self, score: float, similarity: float, weight: float) -> None:
        self.score += weight * score
        self.similarity += weight * similarity

    def fade(self, share: float) -> None:
        self.score *= share
        self.similarity *= share


@dataclass(slots=True)
class _Tally:
    """Of one person, over the looks that have them among their candidates. above: by how much they
    were over the least candidate; stretches: of the threshold; both times the weights. firsts:
    weights of the looks in which they were first."""

    best: Candidate
    above: _Sum = field(default_factory=_Sum)
    weights: float = 0.0
    stretches: float = 0.0
    firsts: float = 0.0

    def fade(self, share: float) -> None:
        self.above.fade(share)
        self.weights *= share
        self.stretches *= share
        self.firsts *= share


class _Sums:
    """A person who is not among the candidates of a look had at most the least score of them. So
    each look adds the least score to all people (`_base`), and to each candidate the rest of their
    own; the same with similarities. A look without candidates adds 0 to all people. So does a look
    whose candidates were ranked by something else (`by_rank`) to all others: people who are not
    among the first may have a higher score than those who are.
    """

    def __init__(self, *, by_rank: bool) -> None:
        self._by_rank = by_rank
        self._weights = 0.0
        self._base = _Sum()
        self._tallies: dict[Hashable, _Tally] = {}

    def fade(self, share: float) -> None:
        self._weights *= share
        self._base.fade(share)
        for tally in self._tallies.values():
            tally.fade(share)

    def add(self, candidates: list[Candidate], weight: float) -> None:
        counted = [] if self._by_rank else candidates
        score = min((each.calibrated for each in counted), default=0.0)
        similarity = min((each.similarity for each in counted), default=0.0)
        self._weights += weight
        self._base.add(score, similarity, weight)
        for place, found in enumerate(candidates):
            tally = self._tallies.setdefault(found.person, _Tally(found))
            tally.above.add(found.calibrated - score, found.similarity - similarity, weight)
            tally.weights += weight
            tally.stretches += weight * found.stretch
            tally.firsts += weight * (place == 0)
            if found.score > tally.best.score:
                tally.best = found
        if len(self._tallies) > 2 * _PEOPLE_KEPT:
            self._prune()

    def means(self) -> list[Candidate]:
        means = [self._mean(tally) for tally in self._tallies.values()]
        means.sort(key=lambda candidate: -candidate.score)
        if self._by_rank:
            means.sort(key=lambda candidate: -self._tallies[candidate.person].firsts)
        return means

    def _mean(self, tally: _Tally) -> Candidate:
        """Its rise is what makes the mean score of the mean similarity."""
        score = (self._base.score + tally.above.score) / self._weights
        similarity = (self._base.similarity + tally.above.similarity) / self._weights
        stretch = tally.stretches / tally.weights
        rise = similarity - stretch * score
        return replace(tally.best, similarity=similarity, rise=rise, stretch=stretch)

    def _prune(self) -> None:
        likely = sorted(self._tallies.items(), key=lambda item: -self._mean(item[1]).score)
        self._tallies = dict(likely[:_PEOPLE_KEPT])
