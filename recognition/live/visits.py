"""Visits: a person in front of a camera, from a settled identity until the face is gone.

One visit is one event, for any number of frames and tracks: a face that is lost and comes back
within the gap continues its visit. It is recognised by its person, or by its likeness if it is
unknown.

A face that passes quickly is gone before its identity is settled. Its visit is tentative while it
is in view: it becomes an event if the face goes without another one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from ml_engine.matching import Decision
from ml_engine.types import Float32
from recognition.events.services.clips import ClipWanted
from recognition.live.identity import Identity
from recognition.people.models import ModelVersion

# A visit is over if its face is gone for longer than this.
GAP_S = 4.0
# A new picture replaces that of a visit if its quality is better by this much.
_BETTER_BY = 0.05
# A rise of the similarity by this much is written.
_TOLD_BY = 0.02
# If all looks at a face are below this share of the quality of the picture of a visit on the same
# track, or the other way round, they may be one face: eyes are covered, or the head is turned away.
_UNCLEAR = 0.6


@dataclass(frozen=True, slots=True)
class VisitPicture:
    """box: of the face on the snapshot: x, y, width, height, each 0..1. vector: (d,), of `model`,
    which may not be in force any more when the picture is written."""

    snapshot_jpeg: bytes
    box: tuple[float, ...]
    face_jpeg: bytes
    vector: Float32 | None
    model: ModelVersion
    taken_at: datetime


@dataclass(slots=True, eq=False)
class Visit:
    """`decision` improves: a match stays one while the face is the same, unless the mean of all its
    looks speaks against the name (`revise`).

    vector: of the face as last seen, to recognise it again; None until the model in force has seen
    it. quality: of the best picture so far;
    None before there is one. tracks: those that show the face now. reconsidered: changes of the
    gallery that its decision knows. is_tentative: not settled, so not an event yet. is_revised: an
    earlier decision was taken back, and that was not passed to the writer. is_of_old_model: another
    model made its decision, so its similarity says nothing beside one of the model in force.
    """

    decision: Decision
    vector: Float32 | None
    started_at: datetime
    last_seen_at: datetime
    last_seen_s: float
    quality: float | None = None
    # Taken, and not yet passed to the writer.
    picture: VisitPicture | None = None
    event_id: UUID | None = None
    clip: ClipWanted | None = None
    tracks: set[int] = field(default_factory=set)
    # The track whose looks gave the name.
    named_by: int | None = None
    reconsidered: int = 0
    is_tentative: bool = False
    is_revised: bool = False
    is_of_old_model: bool = False
    # There are changes that were not passed to the writer.
    has_news: bool = True
    written_s: float = -np.inf

    @property
    def person(self) -> Hashable | None:
        return self.decision.person

    def wants_picture(self, quality: float) -> bool:
        """True if a face of this quality gives a better picture of the visit."""
        return self.quality is None or quality > self.quality + _BETTER_BY

    def improve(self, decision: Decision, track: int) -> None:
        """Take over a decision of a track if it says more than the present one."""
        before = self.decision
        if self.is_of_old_model:
            if _rank(decision)[:2] >= _rank(before)[:2]:
                self.revise(decision)
                self.named_by, self.is_of_old_model = track, False
            return
        if _rank(decision) <= _rank(before):
            return
        self.decision, self.named_by = decision, track
        rise = _rank(decision)[2] - _rank(before)[2]
        self.has_news |= decision.kind != before.kind or rise > _TOLD_BY

    def revise(self, decision: Decision) -> None:
        """Take the present name back."""
        self.decision = decision
        self.has_news = self.is_revised = True

    def change_model(self) -> None:
        """The face has to be seen again by another model, before it can be compared."""
        self.vector, self.named_by, self.is_of_old_model = None, None, True

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
    # The visit that a face was in before its track got another name ...
    _before: dict[int, Visit] = field(default_factory=dict)
    # ... and before its track passed to another person, or seemed to.
    _passed: dict[int, Visit] = field(default_factory=dict)
    _over: list[Visit] = field(default_factory=list)

    def visit_of(self, track: int) -> Visit | None:
        return self._of_track.get(track)

    def change_model(self, likeness: float) -> None:
        self.likeness = likeness
        for visit in self.visits:
            visit.change_model()

    def see(self, identities: Sequence[Identity], at_s: float, now: datetime) -> None:
        """Add the faces of one frame. Each face with a settled identity is in a visit afterwards,
        unless none of its looks could give a name."""
        # First: a visit whose face is in this frame does not wait for another face.
        for identity in identities:
            if visit := self._of_track.get(identity.track):
                visit.touch(at_s, now)
        for identity in identities:
            self._see(identity, at_s, now)

    def leave(self, track: int) -> None:
        """The track is over."""
        self._before.pop(track, None)
        self._passed.pop(track, None)
        visit = self._detach(track)
        if visit is not None and visit.is_tentative:
            self._resolve(visit)

    def pass_on(self, track: int) -> None:
        """The track is in view and seems to be another person's."""
        visit = self._of_track.get(track)
        self.leave(track)
        if visit in self.visits:
            visit.named_by = None
            self._passed[track] = visit

    def close_gone(self, at_s: float) -> list[Visit]:
        """Visits whose face is gone for longer than the gap; they are over."""
        over, self._over = self._over, []
        return over + self._close([v for v in self.visits if at_s - v.last_seen_s > GAP_S])

    def close(self) -> list[Visit]:
        """End all of them."""
        over, self._over = self._over, []
        return over + self._close(list(self.visits))

    def _see(self, identity: Identity, at_s: float, now: datetime) -> None:
        decision = identity.decision
        # Before a name is settled it may be a stranger's, for a moment.
        is_firm = decision is not None and (decision.kind != "match" or identity.is_settled)
        visit = self._of_track.get(identity.track)
        if decision is not None and is_firm:
            visit = self._settled_visit(visit, identity, decision, at_s, now)
        elif visit is None and identity.glimpse is not None:
            visit = self._open(identity, identity.glimpse, at_s, now)
            visit.is_tentative = True
        if visit is None:
            return
        self._attach(identity.track, visit)
        visit.touch(at_s, now)
        if identity.has_looks:
            visit.vector = identity.vector
        if visit.is_tentative:
            visit.decision = identity.glimpse or visit.decision
        elif decision is not None and is_firm:
            visit.improve(decision, identity.track)
            if decision.person == visit.person:
                visit.reconsidered = identity.reconsidered

    def _settled_visit(
        self,
        visit: Visit | None,
        identity: Identity,
        decision: Decision,
        at_s: float,
        now: datetime,
    ) -> Visit | None:
        """The visit of a face with a settled identity. visit: the one that it is in."""
        if visit is not None and not visit.is_tentative:
            self._correct(visit, identity, decision)
            if not self._belongs_elsewhere(visit, identity, decision):
                return visit
            self._detach(identity.track)
            self._before[identity.track] = visit
        found = self._find(identity, decision, at_s)
        if visit is not None and visit.is_tentative:
            if found is None:
                found = visit
            else:
                self._detach(identity.track)
                self.visits.remove(visit)
        if found is None and identity.has_usable_look:
            found = self._open(identity, decision, at_s, now)
        if found is not None:
            _confirm(found, decision)
            self._end_before(identity.track, found)
        return found

    def _correct(self, visit: Visit, identity: Identity, decision: Decision) -> None:
        """Take the name of a visit back if the mean of all looks that it rests on speaks against
        it. A person who only turns away keeps it."""
        is_its_own = visit.named_by == identity.track
        knows_gallery = visit.reconsidered == identity.reconsidered
        if visit.person in (None, decision.person) or not is_its_own or not knows_gallery:
            return
        if identity.whole is not None and identity.whole.person != visit.person:
            visit.revise(decision)

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
            named_by=identity.track,
            reconsidered=identity.reconsidered,
        )
        self.visits.append(visit)
        return visit

    def _attach(self, track: int, visit: Visit) -> None:
        visit.tracks.add(track)
        self._of_track[track] = visit

    def _detach(self, track: int) -> Visit | None:
        visit = self._of_track.pop(track, None)
        if visit is not None:
            visit.tracks.discard(track)
        return visit

    def _resolve(self, visit: Visit) -> None:
        """The face of a tentative visit is gone: it was part of another visit, or an event of its
        own."""
        others = [each for each in self.visits if not each.is_tentative and _are_apart(each, visit)]
        others = [each for each in others if not _are_two_people(each, visit.decision)]
        known = self._of_person(visit.person) or _likest(others, visit.vector, self.likeness)
        if known is not None:
            self.visits.remove(visit)
        else:
            _confirm(visit, visit.decision)

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
        named = (visit for visit in self.visits if not visit.is_tentative)
        return next((visit for visit in named if visit.person == person), None)

    def _find(self, identity: Identity, decision: Decision, at_s: float) -> Visit | None:
        """The visit that this face continues: that of its person, one with a similar face, or the
        one before on its track if it shows too little to be another person."""
        if visit := self._of_person(decision.person):
            return visit
        passed = self._passed.get(identity.track)
        if passed in self.visits and _may_be_one_face(passed, identity, decision):
            return passed
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
        # A tentative one may have turned out to be part of another.
        over = [visit for visit in over if visit in self.visits]
        self.visits = [visit for visit in self.visits if visit not in over]
        return over


def _may_be_one_face(visit: Visit, identity: Identity, decision: Decision) -> bool:
    """True if the face of a track seems to be another one only because one of the two is hardly
    seen, and has no name."""
    quality, clearest = visit.quality or 0.0, identity.clearest
    is_unclear = clearest < _UNCLEAR * quality and decision.person is None
    return is_unclear or (quality < _UNCLEAR * clearest and visit.person is None)


def _confirm(visit: Visit, decision: Decision) -> None:
    """A tentative visit becomes an event."""
    if visit.is_tentative:
        visit.decision, visit.is_tentative, visit.has_news = decision, False, True


def _are_apart(one: Visit, other: Visit) -> bool:
    """True if the two were not in view at the same time."""
    is_before = one.last_seen_at <= other.started_at
    return is_before or other.last_seen_at <= one.started_at


def _are_two_people(visit: Visit, decision: Decision) -> bool:
    """True for two different names; otherwise it may be the same face."""
    people = (visit.person, decision.person)
    return None not in people and people[0] != people[1]


def _likest(visits: list[Visit], vector: Float32 | None, likeness: float) -> Visit | None:
    seen = [(visit, visit.vector) for visit in visits if visit.vector is not None]
    if not seen or vector is None:
        return None
    similarities = np.stack([each for _, each in seen]) @ vector
    best = int(np.argmax(similarities))
    return seen[best][0] if similarities[best] >= likeness else None


def _rank(decision: Decision) -> tuple[bool, bool, float]:
    """A match says more than an ambiguous face, and that more than an unknown one; then
    similarity."""
    similarity = -1.0 if decision.similarity is None else decision.similarity
    return (decision.kind == "match", decision.kind == "ambiguous", similarity)
