"""Visits: a person in front of a camera, from a settled identity until the face is gone.

One visit is one event, for any number of frames and tracks: a face that is lost and comes back
within the gap continues its visit. It is recognised by its person, or by its likeness if it is
unknown.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from ml_engine.matching import Decision
from ml_engine.types import Float32
from recognition.live.identity import Identity

# A visit is over if its face is gone for longer than this.
GAP_S = 4.0
# A new picture replaces that of a visit if its quality is better by this much.
_BETTER_BY = 0.05
# A rise of the similarity by this much is written.
_TOLD_BY = 0.02


@dataclass(slots=True, eq=False)
class Visit:
    """`decision` only improves: a match stays one while the face is the same.

    vector: of the face as last seen, to recognise it again. quality: of the best picture so far;
    None before there is one. tracks: those that show the face now.
    """

    decision: Decision
    vector: Float32
    started_at: datetime
    last_seen_at: datetime
    last_seen_s: float
    quality: float | None = None
    event_id: UUID | None = None
    tracks: set[int] = field(default_factory=set)
    # There are changes that were not passed to the writer.
    has_news: bool = True
    written_s: float = -np.inf

    @property
    def person(self) -> Hashable | None:
        return self.decision.person

    def wants_picture(self, quality: float) -> bool:
        """True if a face of this quality gives a better picture of the visit."""
        return self.quality is None or quality > self.quality + _BETTER_BY

    def improve(self, decision: Decision) -> None:
        """Take over a decision if it says more than the present one."""
        before = self.decision
        if _rank(decision) <= _rank(before):
            return
        self.decision = decision
        rise = _rank(decision)[2] - _rank(before)[2]
        self.has_news |= decision.kind != before.kind or rise > _TOLD_BY

    def touch(self, at_s: float, now: datetime) -> None:
        self.last_seen_s, self.last_seen_at = at_s, now


@dataclass(slots=True)
class VisitBook:
    """The visits of one stream.

    likeness: from this similarity of two vectors on, a face that comes back counts as the same one.
    """

    likeness: float
    visits: list[Visit] = field(default_factory=list)
    _of_track: dict[int, Visit] = field(default_factory=dict)
    # The visit that a face was in before its track got another name.
    _before: dict[int, Visit] = field(default_factory=dict)
    _over: list[Visit] = field(default_factory=list)

    def visit_of(self, track: int) -> Visit | None:
        return self._of_track.get(track)

    def see(self, identities: Sequence[Identity], at_s: float, now: datetime) -> None:
        """Add the faces of one frame. Each face with a settled identity is in a visit
        afterwards."""
        # First: a visit whose face is in this frame does not wait for another face.
        for identity in identities:
            if visit := self._of_track.get(identity.track):
                visit.touch(at_s, now)
        for identity in identities:
            if identity.decision is not None:
                self._see(identity, identity.decision, at_s, now)

    def leave(self, track: int) -> None:
        """The track is over, or has become somebody else's."""
        self._before.pop(track, None)
        if visit := self._of_track.pop(track, None):
            visit.tracks.discard(track)

    def close_gone(self, at_s: float) -> list[Visit]:
        """Visits whose face is gone for longer than the gap; they are over."""
        over, self._over = self._over, []
        return over + self._close([v for v in self.visits if at_s - v.last_seen_s > GAP_S])

    def close(self) -> list[Visit]:
        """End all of them."""
        over, self._over = self._over, []
        return over + self._close(list(self.visits))

    def _see(self, identity: Identity, decision: Decision, at_s: float, now: datetime) -> None:
        visit = self._of_track.get(identity.track)
        if visit is not None and self._belongs_elsewhere(visit, identity, decision):
            self.leave(identity.track)
            self._before[identity.track] = visit
            visit = None
        # The name of a visit is never taken back, so it must be settled.
        is_firm = decision.kind != "match" or identity.is_settled
        if visit is None:
            if not is_firm:
                return
            visit = self._find(identity, decision, at_s) or self._open(
                identity, decision, at_s, now
            )
            self._end_before(identity.track, visit)
            visit.tracks.add(identity.track)
            self._of_track[identity.track] = visit
        visit.touch(at_s, now)
        if identity.has_looks:
            visit.vector = identity.vector
        if is_firm:
            visit.improve(decision)

    def _end_before(self, track: int, visit: Visit) -> None:
        """The gallery changed while a person stayed in view: what they were called before is over
        when the new visit begins, and not gone on with, or their time would count twice."""
        before = self._before.pop(track, visit)
        if before is not visit and before in self.visits and not before.tracks:
            self.visits.remove(before)
            self._over.append(before)

    def _open(self, identity: Identity, decision: Decision, at_s: float, now: datetime) -> Visit:
        before = self._before.get(identity.track)
        first_s = max(identity.first_s, before.last_seen_s) if before else identity.first_s
        visit = Visit(
            decision=decision,
            vector=identity.vector,
            started_at=now - timedelta(seconds=max(0.0, at_s - first_s)),
            last_seen_at=now,
            last_seen_s=at_s,
        )
        self.visits.append(visit)
        return visit

    def _belongs_elsewhere(self, visit: Visit, identity: Identity, decision: Decision) -> bool:
        """True if the visit is of another person, or if it is unknown and the recognised person
        already has a visit."""
        if _are_two_people(visit, decision):
            return True
        known = self._of_person(decision.person)
        return known is not None and known is not visit and identity.is_settled

    def _of_person(self, person: Hashable | None) -> Visit | None:
        if person is None:
            return None
        return next((visit for visit in self.visits if visit.person == person), None)

    def _find(self, identity: Identity, decision: Decision, at_s: float) -> Visit | None:
        """The visit that this face continues: that of its person, or one with a similar face."""
        if visit := self._of_person(decision.person):
            return visit
        waiting = [
            visit
            for visit in self.visits
            if visit.last_seen_s < at_s and not _are_two_people(visit, decision)
        ]
        return _likest(waiting, identity.vector, self.likeness)

    def _close(self, over: list[Visit]) -> list[Visit]:
        for visit in over:
            for track in list(visit.tracks):
                self.leave(track)
            self.visits.remove(visit)
        return over


def _are_two_people(visit: Visit, decision: Decision) -> bool:
    """True for two different names; otherwise it may be the same face."""
    people = (visit.person, decision.person)
    return None not in people and people[0] != people[1]


def _likest(visits: list[Visit], vector: Float32, likeness: float) -> Visit | None:
    if not visits:
        return None
    similarities = np.stack([visit.vector for visit in visits]) @ vector
    best = int(np.argmax(similarities))
    return visits[best] if similarities[best] >= likeness else None


def _rank(decision: Decision) -> tuple[bool, bool, float]:
    """A match says more than an ambiguous face, and that more than an unknown one; then
    similarity."""
    similarity = -1.0 if decision.similarity is None else decision.similarity
    return (decision.kind == "match", decision.kind == "ambiguous", similarity)
