"""One decision for a whole track, so that a single blurred frame decides nothing.

Each look at the face gives similarities to people. A person's score is the mean of their
similarities over the looks, weighted by quality. A mean of similarities is no higher for strangers
than a single one (averaging the embeddings themselves would raise theirs), so a threshold that was
calibrated for one comparison stays on the safe side.

Until a name is firm, the mean is taken over all looks: if every few looks were judged on their own,
a stranger who stays would get a new chance of a false name each time. A firm name rests on the last
looks, so that it is dropped when the face belongs to another person.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from ml_engine.matching.decision import Candidate, Decision

# A face of lower quality gets no name: all such faces look similar.
LEAST_QUALITY = 0.25
# Number of people who are remembered over all looks; of others only the last looks are known.
_PEOPLE_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Look:
    candidates: tuple[Candidate, ...]
    weight: float


class Consensus:
    """Args:

    looks: the number of last looks that count for a firm name.
    settles_after: this number of looks with the same outcome in a row settles it.
    by_rank: candidates were ranked by something else than their similarity: the person who was
        first in most looks, weighted by quality, is first.
    """

    def __init__(self, *, looks: int = 8, settles_after: int = 3, by_rank: bool = False) -> None:
        self._by_rank = by_rank
        self._looks: deque[_Look] = deque(maxlen=looks)
        self._settles_after = settles_after
        self._sums = _Sums(by_rank=by_rank)
        self._is_named = False
        self._outcome: Hashable = None
        # Looks with the same outcome until now.
        self.in_a_row = 0

    @property
    def count(self) -> int:
        """The number of last looks that can give a name."""
        return len(self._looks)

    def add(self, candidates: list[Candidate], quality: float) -> bool:
        """One look: the best people (at most a few), best first, and the face's quality 0..1.
        False if the quality is too low to give a name."""
        if quality < LEAST_QUALITY:
            return False
        look = _Look(tuple(candidates), quality)
        self._looks.append(look)
        self._sums.add(look)
        return True

    def candidates(self) -> list[Candidate]:
        """People with their mean similarity over the looks, best first."""
        return (self._last_sums() if self._is_named else self._sums).means()

    def note(self, decision: Decision) -> None:
        """Take in the decision after a look."""
        outcome = decision.person if decision.kind == "match" else decision.kind
        self.in_a_row = self.in_a_row + 1 if outcome == self._outcome else 1
        self._outcome = outcome
        if self.is_settled and self._is_named != (decision.kind == "match"):
            self._is_named = not self._is_named
            # Earlier looks say nothing about the person of now.
            self._sums = self._last_sums()

    @property
    def is_settled(self) -> bool:
        """True when the last looks agreed: the face need not be looked at in every frame."""
        return self.in_a_row >= self._settles_after

    def restart(self) -> None:
        """Forget everything: the track seems to have passed to another person."""
        self._looks.clear()
        self._sums = _Sums(by_rank=self._by_rank)
        self._is_named = False
        self._outcome = None
        self.in_a_row = 0

    def _last_sums(self) -> _Sums:
        sums = _Sums(by_rank=self._by_rank)
        for look in self._looks:
            sums.add(look)
        return sums


class _Sums:
    """Weighted similarities, summed over looks.

    A person who is not among the candidates of a look was at most as similar as the least of them.
    So each look adds the least similarity to all people (`_base`), and to each candidate the rest
    of their own. A look without candidates adds a similarity of 0 to all people. So does a look
    whose candidates were ranked by something else (`by_rank`) to all others: people who are not
    among the first may be more similar than those who are.
    """

    def __init__(self, *, by_rank: bool) -> None:
        self._by_rank = by_rank
        self._weights = 0.0
        self._base = 0.0
        self._above: dict[Hashable, float] = {}
        # Of the looks that have the person among their candidates: weights, and weighted rises.
        self._rises: dict[Hashable, tuple[float, float]] = {}
        self._firsts: dict[Hashable, float] = {}
        self._best: dict[Hashable, Candidate] = {}

    def add(self, look: _Look) -> None:
        similarities = [found.similarity for found in look.candidates]
        least = 0.0 if self._by_rank else min(similarities, default=0.0)
        self._weights += look.weight
        self._base += look.weight * least
        for found in look.candidates[:1]:
            self._firsts[found.person] = self._firsts.get(found.person, 0.0) + look.weight
        for found in look.candidates:
            person = found.person
            above = look.weight * (found.similarity - least)
            self._above[person] = self._above.get(person, 0.0) + above
            weights, rises = self._rises.get(person, (0.0, 0.0))
            self._rises[person] = weights + look.weight, rises + look.weight * found.rise
            best = self._best.get(person)
            if best is None or found.similarity > best.similarity:
                self._best[person] = found
        if len(self._above) > 2 * _PEOPLE_KEPT:
            self._prune()

    def means(self) -> list[Candidate]:
        means = [self._mean(person, above) for person, above in self._above.items()]
        means.sort(key=lambda candidate: -candidate.score)
        if self._by_rank:
            means.sort(key=lambda candidate: -self._firsts.get(candidate.person, 0.0))
        return means

    def _mean(self, person: Hashable, above: float) -> Candidate:
        weights, rises = self._rises[person]
        similarity = (self._base + above) / self._weights
        return Candidate(person, self._best[person].template, similarity, rises / weights)

    def _prune(self) -> None:
        likely = sorted(self._above, key=lambda person: -self._above[person])[:_PEOPLE_KEPT]
        self._above = {person: self._above[person] for person in likely}
        self._best = {person: self._best[person] for person in likely}
        self._rises = {person: self._rises[person] for person in likely}
        self._firsts = {p: weight for p, weight in self._firsts.items() if p in self._best}
