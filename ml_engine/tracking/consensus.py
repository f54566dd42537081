"""Making up one's mind over a track, so that one blurred frame decides nothing.

Each look at the face gives similarities to people. What counts for a person is the mean of theirs
over the last looks, weighted by quality. A mean of similarities is no higher for strangers than a
single one (averaging the embeddings themselves would raise theirs), so a threshold that was
calibrated for one comparison stays on the safe side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

from ml_engine.matching.decision import Candidate

# Below this a face says too little to weigh in fully.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True)
class _Look:
    candidates: tuple[Candidate, ...]
    weight: float


class Consensus:
    """Args:

    looks: how many of the last looks count.
    settles_after: so many looks with the same outcome in a row settle it.
    """

    def __init__(self, *, looks: int = 8, settles_after: int = 3) -> None:
        self._looks: deque[_Look] = deque(maxlen=looks)
        self._settles_after = settles_after
        self._outcome: Hashable = None
        self._in_a_row = 0

    @property
    def count(self) -> int:
        """Looks so far that count."""
        return len(self._looks)

    def add(self, candidates: list[Candidate], quality: float) -> None:
        """One look: the best people (at most a few), best first, and the face's quality 0..1."""
        self._looks.append(_Look(tuple(candidates), max(quality, _LEAST_WEIGHT)))

    def candidates(self) -> list[Candidate]:
        """People with their mean similarity over the looks, best first."""
        people = {c.person for look in self._looks for c in look.candidates}
        means = [self._mean(person) for person in people]
        return sorted(means, key=lambda candidate: -candidate.similarity)

    def note(self, outcome: Hashable) -> None:
        """Tell what was decided after a look (a person, or a kind of no match)."""
        self._in_a_row = self._in_a_row + 1 if outcome == self._outcome else 1
        self._outcome = outcome

    @property
    def is_settled(self) -> bool:
        """True when the last looks agreed: the face need not be looked at in every frame."""
        return self._in_a_row >= self._settles_after

    def restart(self) -> None:
        """Forget everything: the track seems to have passed to somebody else."""
        self._looks.clear()
        self._outcome = None
        self._in_a_row = 0

    def _mean(self, person: Hashable) -> Candidate:
        total = weights = 0.0
        best: Candidate | None = None
        for look in self._looks:
            if not look.candidates:
                continue
            found = next((c for c in look.candidates if c.person == person), None)
            # Somebody not among the best of a look was below the last of them.
            similarity = found.similarity if found else look.candidates[-1].similarity
            total += look.weight * similarity
            weights += look.weight
            if found and (best is None or found.similarity > best.similarity):
                best = found
        assert best is not None  # a person comes from at least one look
        return Candidate(person, best.template, total / weights)
