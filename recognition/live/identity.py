"""The identity of a tracked face: it combines several looks, and says when the next look is needed.

A look is one embedding of the face. An open face is looked at in every frame. A settled face (its
looks agree for a while) is looked at about once a second, and at once if it may be another face: it
jumped, its appearance changed, or another face came near. A face without a name is also looked at
at once if it is seen better than before, and in every frame while a look alone gives a name. A look
of too low quality names no person. A look that contradicts the earlier ones hides the name. Two in
a row, or one after the appearance changed, mean that the track moved to another person; the
identity then starts anew.

While the stream loses frames (`is_pressed`), looks are expensive and the next one may be seconds
away: two looks that agree settle a face, and one that contradicts ends it. A face that was away for
long, or whose appearance changed, has no name until a look confirms it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from ml_engine.geometry import iou
from ml_engine.matching import Candidate, Decision, name_once
from ml_engine.tracking import LEAST_QUALITY, NAME_S, Consensus
from ml_engine.types import Face, Float32
from recognition.live.looks import Look, SameFace

Decide = Callable[[list[Candidate]], Decision]

LOOKS = 8
# A decision is shown when it is settled, or after this time since the first look.
FIRM_S = 0.7
RECHECK_S = 1.0
# The interval while faces overlap and may be confused.
_CROWDED_RECHECK_S = 0.25
# After this many contradicting looks in a row, the track belongs to another person.
_DOUBTS = 2
_JUMP_IOU = 0.3
# A face is looked at again if the likeness of two appearances is below this. Between two frames of
# one face, fifteen a second, it is 0.65 or more in 99 of 100 cases, also if the face moves.
_CHANGED = 0.7
# While frames are lost: the number of looks, FIRM_S apart, that settle a face; the number of
# contradicting looks that end it; and the longest absence after which it keeps its name.
_PRESSED_LOOKS = 2
_PRESSED_DOUBTS = 1
_PRESSED_AWAY_S = 1.5
# The likeness then, when two people are easily met in one place: of pairs of strangers in the same
# studio, 2 in 100 are this much alike. In another place a face has to look nearly the same.
_PRESSED_CHANGED = 0.8
_PRESSED_CHANGED_ELSEWHERE = 0.9
# A face without a name is looked at again if its quality is better than before by this much.
_CLEARER_BY = 0.1


class Need(IntEnum):
    """How much a face needs a look. DUE: the last look was a while ago. CHANGED: it may be another
    face. OPEN: its identity is not settled."""

    NONE = 0
    DUE = 1
    CHANGED = 2
    OPEN = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    """The face in the previous frame."""

    box: Float32
    appearance: Float32
    at_s: float


class Identity:
    """The identity of one track. `decision` is None while there are too few looks: the face is
    pending.

    by_rank: candidates are ranked by something else than their similarity.
    """

    def __init__(self, track: int, at_s: float, *, by_rank: bool = False) -> None:
        self.track = track
        self._decision: Decision | None = None
        # The last looks with their times.
        self._looks: deque[tuple[Look, float]] = deque(maxlen=LOOKS)
        self._consensus = Consensus(by_rank=by_rank)
        # Of all looks at this face, the clear ones above all.
        self._whole = _whole(by_rank=by_rank)
        self.first_s = at_s
        self._last_look_s = -np.inf
        self._last_seen: _Seen | None = None
        self._doubts = 0
        self._is_firm = False
        self._has_changed = False
        self._is_pressed = False
        self._is_in_question = False
        # The newest look alone gave a name; one of the looks did so far above the threshold.
        self._is_match_alone = False
        self._is_strong = False
        # Times of the first and the last usable look.
        self._usable_s = (np.inf, -np.inf)
        # What the mean of the looks says, shown or not; and the mean of all looks of this face.
        self._present: Decision | None = None
        self.whole: Decision | None = None
        # Set if another face of the newest frame is more surely the same person.
        self._outdone: Decision | None = None
        # How often the gallery changed under this face.
        self.reconsidered = 0

    @property
    def decision(self) -> Decision | None:
        return None if self.is_in_doubt else self._outdone or self._decision

    @property
    def is_in_doubt(self) -> bool:
        """True if the newest face of the track may be another person's."""
        return self._is_in_question or self._doubts > 0

    @property
    def is_outdone(self) -> bool:
        return self._outdone is not None

    @property
    def is_settled(self) -> bool:
        """True if the last looks agreed."""
        return self._is_firm and not self.is_in_doubt

    @property
    def glimpse(self) -> Decision | None:
        """What the looks say about a face without a decision, if it is enough for an event should
        the face be gone now: two usable looks in different moments, or one that is strong."""
        seen_for_s = self._usable_s[1] - self._usable_s[0]
        return self._present if self._is_strong or seen_for_s >= NAME_S - 1e-3 else None

    @property
    def embeddings(self) -> Float32:
        """Embeddings (n, d) of the looks that count."""
        return np.stack([look.embedding for look, _ in self._looks])

    @property
    def has_looks(self) -> bool:
        return bool(self._looks)

    @property
    def has_usable_look(self) -> bool:
        return self._whole.count > 0

    @property
    def clearest(self) -> float:
        """Quality 0..1 of the best of the last looks."""
        return max((look.quality for look, _ in self._looks), default=0.0)

    @property
    def last_look_s(self) -> float:
        return self._last_look_s

    @property
    def last_seen_s(self) -> float:
        return self._last_seen.at_s if self._last_seen else self.first_s

    @property
    def vector(self) -> Float32:
        """(d,) of length 1: the mean of the looks, weighted by quality."""
        weights = np.array([max(look.quality, 0.05) for look, _ in self._looks], np.float32)
        mean = weights @ self.embeddings
        return mean / max(float(np.linalg.norm(mean)), 1e-6)

    def need(
        self,
        face: Face,
        appearance: Float32,
        at_s: float,
        *,
        is_crowded: bool,
        is_pressed: bool = False,
        last_frame_s: float = -np.inf,
    ) -> Need:
        """How much the face needs a look in this frame.

        appearance: of the face, see `appearance_of`. is_pressed: the stream loses frames.
        last_frame_s: time of the previous frame.
        """
        last, self._last_seen = self._last_seen, _Seen(face.box.copy(), appearance, at_s)
        self._is_pressed = is_pressed
        if last is None:
            return Need.OPEN
        was_away = last.at_s < last_frame_s
        if is_pressed and was_away and at_s - last.at_s > _PRESSED_AWAY_S:
            self._is_in_question = True
        # Kept until the next usable look: a postponed look is still due in the next frames.
        self._has_changed |= self._differs(last, face.box, appearance)
        quality = face.quality.score if face.quality else 1.0
        is_due = at_s - self._last_look_s >= (_CROWDED_RECHECK_S if is_crowded else RECHECK_S)
        if quality < LEAST_QUALITY and self.has_looks:
            # A look would say nothing, not even that it is the same face.
            self._is_in_question |= self._has_changed
            return Need.DUE if is_due else Need.NONE
        if not self.is_settled or self._may_be_named(quality):
            # After many looks the face is not new, and one more look will not settle it.
            is_new = not is_pressed or len(self._looks) < LOOKS
            return Need.OPEN if is_new else Need.CHANGED
        if self._has_changed:
            return Need.CHANGED
        return Need.DUE if is_due else Need.NONE

    def _may_be_named(self, quality: float) -> bool:
        """True for a face without a name if the last look gave one alone, or if the face is seen
        better now than in the last looks."""
        is_clearer = quality > self.clearest + _CLEARER_BY
        return self._named is None and (self._is_match_alone or is_clearer)

    def _differs(self, last: _Seen, box: Float32, appearance: Float32) -> bool:
        """True if this may be another face than in the previous frame."""
        has_jumped = float(iou(box[None], last.box[None])[0, 0]) < _JUMP_IOU
        likeness = float(appearance @ last.appearance)
        if not self._is_pressed:
            return has_jumped or likeness < _CHANGED
        # If two frames are far apart, every face has moved, so only its appearance counts.
        return likeness < (_PRESSED_CHANGED_ELSEWHERE if has_jumped else _PRESSED_CHANGED)

    def look(
        self, look: Look, candidates: list[Candidate], at_s: float, decide: Decide, faces: SameFace
    ) -> bool:
        """Add a look; returns False if it shows that the track moved to another person."""
        alone = decide(candidates)
        is_doubtful = self._is_in_question or (self._is_pressed and self._has_changed)
        self._last_look_s = at_s
        self._is_match_alone = look.is_usable and alone.kind == "match"
        is_same = True
        if self._contradicts(look, alone, faces):
            self._doubts += 1
            is_plain = self._is_pressed or self._has_changed
            if self._doubts < (_PRESSED_DOUBTS if is_plain else _DOUBTS):
                return True
            self._restart(at_s)
            is_same = False
        if look.is_usable:
            self._doubts = 0
            self._has_changed = False
        self._is_in_question = is_same and is_doubtful and not self._confirms(look, alone, faces)
        self._count(look, candidates, alone, at_s, decide)
        return is_same

    def _confirms(self, look: Look, alone: Decision, faces: SameFace) -> bool:
        """True if the look alone confirms the present name."""
        if not look.is_usable:
            return False
        if self._named is None or (alone.kind == "match" and alone.person == self._named):
            return True
        return not self._is_pressed and self._likeness(look) >= faces.likely_from

    def reconsider(
        self,
        found: Sequence[list[Candidate]],
        decide: Decide,
        *,
        by_rank: bool = False,
    ) -> None:
        """The gallery changed: search again for the same looks."""
        looks = list(self._looks)
        had_decided = self._decision is not None
        self._forget()
        self._consensus = Consensus(by_rank=by_rank)
        self._whole = _whole(by_rank=by_rank)
        self.reconsidered += 1
        for (look, looked_s), candidates in zip(looks, found, strict=True):
            self._count(look, candidates, decide(candidates), looked_s, decide)
        if had_decided and self._consensus.count:
            self._decision = self._present

    def change_model(self, *, by_rank: bool) -> None:
        """Another model looks at the face from now on: vectors and scores of the one before cannot
        be compared with its own. The next looks decide anew."""
        self._forget()
        self._decision = self._outdone = None
        self._consensus = Consensus(by_rank=by_rank)
        self._whole = _whole(by_rank=by_rank)
        self._is_match_alone = False

    def _count(
        self,
        look: Look,
        candidates: list[Candidate],
        alone: Decision,
        at_s: float,
        decide: Decide,
    ) -> None:
        self._looks.append((look, at_s))
        decision = self._add(look, candidates, alone, at_s, decide)
        if look.is_usable or decision.kind != "match":
            self._note(decision, alone, at_s)
        waited = self._consensus.count > 1 and at_s - self.first_s >= FIRM_S
        is_shown = decision.person == self._named if self._decision else waited
        if self._is_firm or is_shown:
            self._decision = decision

    def _add(
        self,
        look: Look,
        candidates: list[Candidate],
        alone: Decision,
        at_s: float,
        decide: Decide,
    ) -> Decision:
        """Add the look to the means; returns the decision about them."""
        if self._consensus.add(candidates, look.quality, at_s):
            self._whole.add(candidates, look.quality, at_s)
            self.whole = decide(self._whole.candidates())
            self._usable_s = min(self._usable_s[0], at_s), at_s
            self._is_strong |= look.is_strong(alone)
            self._present = decide(self._consensus.candidates())
            return self._present
        # A single usable look among poor ones names no person.
        if self._present is not None and self._consensus.count > 1:
            return self._present
        return _nameless(alone)

    def _note(self, decision: Decision, alone: Decision, at_s: float) -> None:
        self._consensus.note(decision, at_s, alone=alone)
        is_slow = self._is_pressed and self._consensus.agreed_for_s >= FIRM_S
        agrees = is_slow and self._consensus.in_a_row >= _PRESSED_LOOKS
        self._is_firm = self._consensus.is_settled or agrees

    @property
    def _named(self) -> object:
        return self._decision.person if self._decision else None

    def _likeness(self, look: Look) -> float:
        return float(self.vector @ look.embedding)

    def _contradicts(self, look: Look, alone: Decision, faces: SameFace) -> bool:
        """True if this is hardly the face of the earlier looks, even if they are few."""
        if not self._looks or not look.is_usable:
            # A face of this low quality does not contradict earlier looks either.
            return False
        unlikely_below = faces.unlikely_below
        if unlikely_below is not None and self._likeness(look) < unlikely_below:
            return True
        is_other = alone.kind == "match" and self._named not in (None, alone.person)
        # Clearly the same face with another name: the first name was wrong, not the track.
        return self._is_firm and is_other and self._likeness(look) < faces.likely_from

    def _restart(self, at_s: float) -> None:
        self._forget()
        self._decision = None
        self.first_s = at_s

    def _forget(self) -> None:
        self._looks.clear()
        self._consensus.restart()
        self._whole.restart()
        self._present = self.whole = None
        self._is_firm = self._is_strong = False
        self._usable_s = (np.inf, -np.inf)
        self._doubts = 0


def name_each_once(identities: Sequence[Identity]) -> None:
    """Of the faces of one frame: two of them cannot be one person (see `name_once`)."""
    for identity in identities:
        identity._outdone = None
    named = [(each, each.decision) for each in identities if each.decision is not None]
    told = name_once([decision for _, decision in named])
    for (identity, own), decision in zip(named, told, strict=True):
        identity._outdone = None if decision is own else decision


def _whole(*, by_rank: bool) -> Consensus:
    return Consensus(half_life_s=None, power=4, by_rank=by_rank)


def _nameless(decision: Decision) -> Decision:
    return replace(decision, kind="unknown", person=None, template=None)
