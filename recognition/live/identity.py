"""Who a tracked face is: looks at it, taken together, and when to look again.

A look is one embedding of the face. While its identity is open a face is looked at in every frame;
once the looks agree, about once a second, and at once where it may have become another face: it
jumped, it looks otherwise, or another face came near. A look too bad to be recognised names nobody.
Two looks in a row that do not fit the ones before mean that the track passed to somebody else; it
then starts anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml_engine.geometry import iou
from ml_engine.matching import Candidate, Decision
from ml_engine.tracking import LEAST_QUALITY, Consensus
from ml_engine.types import Face, Float32
from recognition.live.appearance import CHANGED

Decide = Callable[[list[Candidate]], Decision]

LOOKS = 8
# Looks with the same outcome in a row, or time since the first one, until a decision is shown.
FIRM_LOOKS = 3
FIRM_S = 0.7
RECHECK_S = 1.0
# The same while faces overlap, when they may be taken for each other.
_CROWDED_RECHECK_S = 0.25
# Looks in a row that do not fit until the track is taken for somebody else's.
_DOUBTS = 2
_JUMP_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Look:
    embedding: Float32  # (d,)
    quality: float


class Identity:
    """Of one track. `decision` is None while too little was seen: the face is pending.

    by_rank: candidates come ranked by something else than their similarity.
    """

    def __init__(self, track: int, at_s: float, *, by_rank: bool = False) -> None:
        self.track = track
        self.decision: Decision | None = None
        self._looks: deque[Look] = deque(maxlen=LOOKS)
        self._consensus = _consensus(by_rank=by_rank)
        self.first_s = at_s
        self._last_look_s = -np.inf
        self._last_seen: tuple[Float32, Float32] | None = None
        self._doubts = 0

    @property
    def is_settled(self) -> bool:
        """True where the last looks agreed."""
        return self._consensus.is_settled and not self._doubts

    @property
    def embeddings(self) -> Float32:
        """(n, d): of the looks that count."""
        return np.stack([look.embedding for look in self._looks])

    @property
    def has_looks(self) -> bool:
        return bool(self._looks)

    @property
    def last_look_s(self) -> float:
        return self._last_look_s

    @property
    def vector(self) -> Float32:
        """(d,) of length 1: the mean of the looks, weighted by quality."""
        weights = np.array([max(look.quality, 0.05) for look in self._looks], np.float32)
        mean = weights @ self.embeddings
        return mean / max(float(np.linalg.norm(mean)), 1e-6)

    def wants_look(self, face: Face, appearance: Float32, at_s: float, *, is_crowded: bool) -> bool:
        """True where the face, as it is in this frame, is to be embedded.

        appearance: see `recognition.live.appearance`.
        """
        last, self._last_seen = self._last_seen, (face.box.copy(), appearance)
        recheck_s = _CROWDED_RECHECK_S if is_crowded else RECHECK_S
        if last is None or not self.is_settled or at_s - self._last_look_s >= recheck_s:
            return True
        has_jumped = float(iou(face.box[None], last[0][None])[0, 0]) < _JUMP_IOU
        return has_jumped or float(appearance @ last[1]) < CHANGED

    def look(
        self,
        look: Look,
        candidates: list[Candidate],
        at_s: float,
        decide: Decide,
        same_face: float | None,
    ) -> bool:
        """Take in a look; False where it made the track somebody else's.

        same_face: similarity below which two looks are hardly of one face; None where the model
            has no curve to say it.
        """
        self._last_look_s = at_s
        is_same = True
        if self._contradicts(look, decide(candidates), same_face):
            self._doubts += 1
            if self._doubts < _DOUBTS:
                return True
            self._restart(at_s)
            is_same = False
        self._doubts = 0
        self._count(look, candidates, at_s, decide)
        return is_same

    def reconsider(
        self,
        found: Sequence[list[Candidate]],
        at_s: float,
        decide: Decide,
        *,
        by_rank: bool = False,
    ) -> None:
        """The gallery changed: the same looks with what they find now."""
        looks = list(self._looks)
        had_decided = self.decision is not None
        self._forget()
        self._consensus = _consensus(by_rank=by_rank)
        for look, candidates in zip(looks, found, strict=True):
            self._count(look, candidates, at_s, decide)
        if had_decided and self._consensus.count:
            self.decision = decide(self._consensus.candidates())

    def _count(self, look: Look, candidates: list[Candidate], at_s: float, decide: Decide) -> None:
        self._looks.append(look)
        counts = self._consensus.add(candidates, look.quality)
        if self._consensus.count:
            decision = decide(self._consensus.candidates())
        else:
            decision = _nameless(decide(candidates))
        if counts or decision.kind != "match":
            self._consensus.note(decision)
        waited = self._consensus.count > 1 and at_s - self.first_s >= FIRM_S
        is_new_name = decision.kind == "match" and self._shown != decision.person
        if self._consensus.is_settled or waited or (self.decision and not is_new_name):
            self.decision = decision

    @property
    def _shown(self) -> object:
        return self.decision.person if self.decision else None

    def _contradicts(self, look: Look, alone: Decision, same_face: float | None) -> bool:
        """True where this is hardly the face of the looks before, few as they may be."""
        if not self._looks or look.quality < LEAST_QUALITY:
            # A face this bad says nothing against the looks before it either.
            return False
        is_firm = self._consensus.is_settled and alone.kind == "match"
        if is_firm and self._shown not in (None, alone.person):
            return True
        return same_face is not None and float(self.vector @ look.embedding) < same_face

    def _restart(self, at_s: float) -> None:
        self._forget()
        self.decision = None
        self.first_s = at_s

    def _forget(self) -> None:
        self._looks.clear()
        self._consensus.restart()
        self._doubts = 0


def _consensus(*, by_rank: bool) -> Consensus:
    return Consensus(looks=LOOKS, settles_after=FIRM_LOOKS, by_rank=by_rank)


def _nameless(decision: Decision) -> Decision:
    return replace(decision, kind="unknown", person=None, template=None)
