"""The identity of a tracked face: it combines several looks, and says when the next look is needed.

A look is one embedding of the face. An open face is looked at in every frame. A settled face (its
looks agree) is looked at about once a second, and at once if it may be another face: it jumped, its
appearance changed, or another face came near. A look of too low quality names no person. Two looks
in a row that contradict the earlier ones mean that the track moved to another person; the identity
then starts anew.

While the stream loses frames (`is_pressed`), looks are expensive and the next one may be seconds
away: two looks that agree settle a face, and one that contradicts ends it. A face that was away for
long, or whose appearance changed, has no name until a look confirms it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import cv2
import numpy as np

from ml_engine.geometry import iou
from ml_engine.matching import Candidate, Decision, name_once
from ml_engine.tracking import LEAST_QUALITY, Consensus
from ml_engine.types import Face, Float32, Image

Decide = Callable[[list[Candidate]], Decision]

LOOKS = 8
# A decision is shown after this many looks in a row with the same outcome, or after this time since
# the first look.
FIRM_LOOKS = 3
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
_APPEARANCE_SIDE = 12


class Need(IntEnum):
    """How much a face needs a look. DUE: the last look was a while ago. CHANGED: it may be another
    face. OPEN: its identity is not settled."""

    NONE = 0
    DUE = 1
    CHANGED = 2
    OPEN = 3


@dataclass(frozen=True, slots=True)
class Look:
    embedding: Float32  # (d,)
    quality: float


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
        self._looks: deque[Look] = deque(maxlen=LOOKS)
        self._consensus = _consensus(by_rank=by_rank)
        self.first_s = at_s
        self._last_look_s = -np.inf
        self._last_seen: _Seen | None = None
        self._doubts = 0
        self._is_firm = False
        self._agreed_s = at_s
        self._has_changed = False
        self._is_pressed = False
        self._is_in_question = False
        # Set if another face of the newest frame is more surely the same person.
        self._outdone: Decision | None = None

    @property
    def decision(self) -> Decision | None:
        return None if self._is_in_question else self._outdone or self._decision

    @property
    def is_outdone(self) -> bool:
        return self._outdone is not None

    @property
    def is_settled(self) -> bool:
        """True if the last looks agreed."""
        return self._is_firm and not self._doubts and not self._is_in_question

    @property
    def embeddings(self) -> Float32:
        """Embeddings (n, d) of the looks that count."""
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
        # Kept until the next look: a postponed look is still due in the next frames.
        self._has_changed |= self._differs(last, face.box, appearance)
        if not self.is_settled:
            # After many looks the face is not new, and one more look will not settle it.
            is_new = not is_pressed or len(self._looks) < LOOKS
            return Need.OPEN if is_new else Need.CHANGED
        if self._has_changed:
            return Need.CHANGED
        recheck_s = _CROWDED_RECHECK_S if is_crowded else RECHECK_S
        return Need.DUE if at_s - self._last_look_s >= recheck_s else Need.NONE

    def _differs(self, last: _Seen, box: Float32, appearance: Float32) -> bool:
        """True if this may be another face than in the previous frame."""
        has_jumped = float(iou(box[None], last.box[None])[0, 0]) < _JUMP_IOU
        likeness = float(appearance @ last.appearance)
        if not self._is_pressed:
            return has_jumped or likeness < _CHANGED
        # If two frames are far apart, every face has moved, so only its appearance counts.
        return likeness < (_PRESSED_CHANGED_ELSEWHERE if has_jumped else _PRESSED_CHANGED)

    def look(
        self,
        look: Look,
        candidates: list[Candidate],
        at_s: float,
        decide: Decide,
        same_face: float | None,
    ) -> bool:
        """Add a look; returns False if it shows that the track moved to another person.

        same_face: below this similarity two looks are hardly of one face; None if the model has no
        curve.
        """
        alone = decide(candidates)
        is_doubtful = self._is_in_question or (self._is_pressed and self._has_changed)
        self._last_look_s = at_s
        self._has_changed = False
        is_same = True
        if self._contradicts(look, alone, same_face):
            self._doubts += 1
            if self._doubts < (_PRESSED_DOUBTS if self._is_pressed else _DOUBTS):
                return True
            self._restart(at_s)
            is_same = False
        self._doubts = 0
        self._is_in_question = is_same and is_doubtful and not self._confirms(look, alone)
        self._count(look, candidates, at_s, decide)
        return is_same

    def _confirms(self, look: Look, alone: Decision) -> bool:
        """True if the look alone confirms the present name."""
        if look.quality < LEAST_QUALITY:
            return False
        return self._named is None or (alone.kind == "match" and alone.person == self._named)

    def reconsider(
        self,
        found: Sequence[list[Candidate]],
        at_s: float,
        decide: Decide,
        *,
        by_rank: bool = False,
    ) -> None:
        """The gallery changed: search again for the same looks."""
        looks = list(self._looks)
        had_decided = self._decision is not None
        self._forget()
        self._consensus = _consensus(by_rank=by_rank)
        for look, candidates in zip(looks, found, strict=True):
            self._count(look, candidates, at_s, decide)
        if had_decided and self._consensus.count:
            self._decision = decide(self._consensus.candidates())

    def _count(self, look: Look, candidates: list[Candidate], at_s: float, decide: Decide) -> None:
        self._looks.append(look)
        counts = self._consensus.add(candidates, look.quality)
        if self._consensus.count:
            decision = decide(self._consensus.candidates())
        else:
            decision = _nameless(decide(candidates))
        if counts or decision.kind != "match":
            self._note(decision, at_s)
        waited = self._consensus.count > 1 and at_s - self.first_s >= FIRM_S
        is_new_name = decision.kind == "match" and self._named != decision.person
        if self._consensus.is_settled or waited or (self._decision and not is_new_name):
            self._decision = decision

    def _note(self, decision: Decision, at_s: float) -> None:
        self._consensus.note(decision)
        if self._consensus.in_a_row == 1:
            self._agreed_s = at_s
        is_slow = self._is_pressed and at_s - self._agreed_s >= FIRM_S
        agrees = is_slow and self._consensus.in_a_row >= _PRESSED_LOOKS
        self._is_firm = self._consensus.is_settled or agrees

    @property
    def _named(self) -> object:
        return self._decision.person if self._decision else None

    def _contradicts(self, look: Look, alone: Decision, same_face: float | None) -> bool:
        """True if this is hardly the face of the earlier looks, even if they are few."""
        if not self._looks or look.quality < LEAST_QUALITY:
            # A face of this low quality does not contradict earlier looks either.
            return False
        if self._is_firm and alone.kind == "match" and self._named not in (None, alone.person):
            return True
        return same_face is not None and float(self.vector @ look.embedding) < same_face

    def _restart(self, at_s: float) -> None:
        self._forget()
        self._decision = None
        self.first_s = at_s

    def _forget(self) -> None:
        self._looks.clear()
        self._consensus.restart()
        self._is_firm = False
        self._doubts = 0


def name_each_once(identities: Sequence[Identity]) -> None:
    """Of the faces of one frame: two of them cannot be one person (see `name_once`)."""
    for identity in identities:
        identity._outdone = None
    named = [(each, each.decision) for each in identities if each.decision is not None]
    told = name_once([decision for _, decision in named])
    for (identity, own), decision in zip(named, told, strict=True):
        identity._outdone = None if decision is own else decision


def _consensus(*, by_rank: bool) -> Consensus:
    return Consensus(looks=LOOKS, settles_after=FIRM_LOOKS, by_rank=by_rank)


def _nameless(decision: Decision) -> Decision:
    return replace(decision, kind="unknown", person=None, template=None)


def appearance_of(image: Image, box: Float32) -> Float32:
    """RGB (h, w, 3) and a box to (144,): the brightness of the face, with mean 0 and length 1.

    Coarse and cheap: enough to see that a track suddenly shows another face. It decides when to
    look again, and never who it is.
    """
    height, width = image.shape[:2]
    left, top = np.clip(box[:2], 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(box[2:], (left + 1, top + 1), (width, height)).astype(int)
    size = (_APPEARANCE_SIDE, _APPEARANCE_SIDE)
    small = cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32).mean(axis=2).ravel()
    grey -= grey.mean()
    return grey / max(float(np.linalg.norm(grey)), 1e-3)
