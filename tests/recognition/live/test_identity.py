"""Who a track is: pending, then firm; settled faces rest; a track that passes on starts anew."""

from __future__ import annotations

from functools import partial
from statistics import NormalDist

import numpy as np
import pytest

from ml_engine.matching import Candidate, decide
from ml_engine.types import Float32
from recognition.live.identity import RECHECK_S, Identity, Need
from recognition.live.looks import Look, SameFace
from tests.recognition.live.faces import (
    decided,
    face_at,
    look_at,
    match,
    nobody,
    settled,
    vector_of,
)


def test_a_stranger_is_pending_until_looks_agree_for_a_while() -> None:
    identity = Identity(1, 0.0)
    for at_s in (0.0, 0.2, 0.4, 0.6):
        look_at(identity, nobody(), at_s)
        assert identity.decision is None
    look_at(identity, nobody(), 0.8)
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"


def test_one_blurred_look_names_no_person() -> None:
    identity = Identity(1, 0.0)
    look_at(identity, match("ann", 0.6), 0.0)
    for at_s in (0.2, 0.4, 0.6, 0.8, 1.0):
        look_at(identity, nobody(), at_s)
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"


def test_a_slow_stream_decides_within_a_second() -> None:
    identity = Identity(1, 0.0)
    look_at(identity, match("ann"), 0.0)
    look_at(identity, match("ann"), 0.8)
    assert identity.decision is not None
    assert identity.decision.person == "ann"


SAME, OTHER = np.array([1.0, 0.0], np.float32), np.array([0.6, 0.8], np.float32)


def _wants(
    identity: Identity,
    at_s: float,
    *,
    x: float = 0,
    appearance: Float32 = SAME,
    is_crowded: bool = False,
) -> bool:
    return bool(identity.need(face_at(x), appearance, at_s, is_crowded=is_crowded))


def _resting() -> Identity:
    """Settled, looked at last at second 0.2, seen last at 0.3."""
    identity = settled(match("ann"))
    _wants(identity, 0.3)
    return identity


def test_a_settled_face_is_looked_at_once_a_second() -> None:
    identity = _resting()
    assert not _wants(identity, 0.35)
    assert not _wants(identity, 0.2 + RECHECK_S - 0.01)
    assert _wants(identity, 0.2 + RECHECK_S)


def test_an_open_face_is_looked_at_in_every_frame() -> None:
    identity = Identity(1, 0.0)
    for at_s in (0.0, 0.05):
        assert _wants(identity, at_s)
        look_at(identity, nobody(), at_s)


def test_a_face_that_jumps_is_looked_at_at_once() -> None:
    assert _wants(_resting(), 0.35, x=90)
    assert not _wants(_resting(), 0.35, x=20)


def test_a_face_that_looks_otherwise_is_looked_at_at_once() -> None:
    assert _wants(_resting(), 0.35, appearance=OTHER)


def test_a_face_with_another_beside_it_is_looked_at_sooner() -> None:
    assert not _wants(_resting(), 0.4, is_crowded=True)
    assert _wants(_resting(), 0.5, is_crowded=True)


def test_change_is_remembered_until_the_next_look() -> None:
    identity = _resting()
    assert _wants(identity, 0.35, appearance=OTHER)
    assert _wants(identity, 0.4, appearance=OTHER)
    look_at(identity, match("ann"), 0.4)
    assert not _wants(identity, 0.45, appearance=OTHER)


def _pressed(
    identity: Identity, at_s: float, *, appearance: Float32 = SAME, x: float = 0, away: bool = False
) -> Need:
    """In a stream that loses frames. away: the face was not found in the frame before."""
    last_frame_s = at_s - 0.5 if away else -np.inf
    return identity.need(
        face_at(x), appearance, at_s, is_crowded=False, is_pressed=True, last_frame_s=last_frame_s
    )


def _pressed_and_settled() -> Identity:
    identity = Identity(1, 0.0)
    for at_s in (0.0, 1.0):
        assert _pressed(identity, at_s) == Need.OPEN
        look_at(identity, match("ann"), at_s)
    return identity


def _shown(identity: Identity) -> object:
    return identity.decision.person if identity.decision else None


def test_under_load_two_looks_that_are_apart_settle_a_face() -> None:
    identity = _pressed_and_settled()
    assert identity.is_settled
    assert _shown(identity) == "ann"
    assert _pressed(identity, 1.5) == Need.NONE
    assert _pressed(identity, 1.0 + RECHECK_S) == Need.DUE


def test_under_load_two_looks_in_a_moment_settle_nothing() -> None:
    identity = Identity(1, 0.0)
    for at_s in (0.0, 0.1):
        _pressed(identity, at_s)
        look_at(identity, match("ann"), at_s)
    assert not identity.is_settled


def test_under_load_a_moving_face_is_recognised_by_appearance() -> None:
    identity = _pressed_and_settled()
    assert _pressed(identity, 1.5, x=90) == Need.NONE
    assert _pressed(identity, 1.6, x=90, appearance=OTHER) == Need.CHANGED


def test_under_load_one_look_of_another_person_takes_the_name_away() -> None:
    identity = _pressed_and_settled()
    assert _pressed(identity, 2.0, appearance=OTHER) == Need.CHANGED
    assert not look_at(identity, match("bob"), 2.0, number=2)
    assert identity.decision is None
    _pressed(identity, 3.0, appearance=OTHER)
    assert look_at(identity, match("bob"), 3.0, number=2)
    assert _shown(identity) == "bob"


def test_under_load_a_changed_face_has_no_name_until_a_look_confirms_it() -> None:
    identity = _pressed_and_settled()
    _pressed(identity, 2.0, appearance=OTHER)
    # Like the face before, and like nobody in the gallery.
    assert look_at(identity, nobody(), 2.0)
    assert identity.decision is None
    assert _pressed(identity, 3.0, appearance=OTHER) == Need.OPEN
    assert look_at(identity, match("ann"), 3.0)
    assert _shown(identity) == "ann"


def test_under_load_a_face_that_was_away_has_no_name_until_a_look_confirms_it() -> None:
    identity = _pressed_and_settled()
    assert _pressed(identity, 4.0, away=True) == Need.OPEN
    assert identity.decision is None
    look_at(identity, match("ann"), 4.0, quality=0.1)
    assert identity.decision is None
    look_at(identity, match("ann"), 4.5)
    assert _shown(identity) == "ann"


def test_under_load_a_short_absence_costs_no_look() -> None:
    identity = _pressed_and_settled()
    assert _pressed(identity, 1.9, away=True) == Need.NONE
    assert _shown(identity) == "ann"


def test_under_load_a_face_that_never_settles_stops_to_be_new() -> None:
    identity, needs = Identity(1, 0.0), []
    for step in range(12):
        needs.append(_pressed(identity, step / 10))
        look_at(identity, nobody(0.0) if step % 2 else match("ann", 0.98), step / 10)
    assert needs[0] == Need.OPEN
    assert needs[-1] == Need.CHANGED


def test_two_looks_of_another_person_start_the_track_anew() -> None:
    identity = settled(match("ann"), number=1)
    assert look_at(identity, match("bob"), 1.3, number=2)
    assert identity.decision is None, "the next person does not bear the old name"
    assert not identity.is_settled
    assert not look_at(identity, match("bob"), 1.4, number=2)
    assert identity.decision is None
    for at_s in (1.5, 1.6):
        assert look_at(identity, match("bob"), at_s, number=2)
    assert identity.decision is not None
    assert identity.decision.person == "bob"


def test_a_stranger_after_a_stranger_starts_the_track_anew() -> None:
    identity = settled(nobody(), number=1)
    look_at(identity, nobody(), 1.3, number=2)
    assert not look_at(identity, nobody(), 1.4, number=2)
    assert identity.decision is None


def test_a_track_that_passes_on_before_it_is_firm_does_not_mix_two_faces() -> None:
    identity = Identity(1, 0.0)
    look_at(identity, nobody(), 0.0, number=1)
    # Long enough to be shown if it were one face.
    assert look_at(identity, match("bob"), 0.8, number=2)
    assert identity.decision is None
    assert not look_at(identity, match("bob"), 0.9, number=2)
    assert identity.decision is None
    assert float(identity.vector @ vector_of(1)) < 0.35
    for at_s in (1.0, 1.1):
        assert look_at(identity, match("bob"), at_s, number=2)
    assert identity.decision is not None
    assert identity.decision.person == "bob"


def test_one_odd_look_changes_nothing() -> None:
    identity = settled(match("ann"), number=1)
    look_at(identity, match("bob"), 1.3, number=2)
    assert look_at(identity, match("ann"), 1.4, number=1)
    assert identity.is_settled
    assert identity.decision is not None
    assert identity.decision.person == "ann"


def test_a_bad_face_says_nothing_against_the_looks_before() -> None:
    identity = settled(match("ann"), number=1)
    for at_s in (1.3, 2.4, 3.5):
        assert look_at(identity, nobody(), at_s, number=2, quality=0.1)
    assert identity.decision is not None
    assert identity.decision.person == "ann"


def test_person_enrolled_meanwhile_is_named_at_once() -> None:
    identity = settled(nobody())
    identity.reconsider([match("ann")] * len(identity.embeddings), decided)
    assert identity.decision is not None
    assert identity.decision.person == "ann"
    assert identity.is_settled


def test_person_erased_meanwhile_is_unnamed_at_once() -> None:
    identity = settled(match("ann"))
    identity.reconsider([[]] * len(identity.embeddings), decided)
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"


def test_number_of_stored_looks_is_limited() -> None:
    identity = Identity(1, 0.0)
    for step in range(1000):
        look_at(identity, match("ann"), step / 10)
    assert len(identity.embeddings) == 8


def test_bad_faces_never_name_a_person() -> None:
    identity = Identity(1, 0.0)
    for step in range(20):
        look_at(identity, match("ann"), step / 10, quality=0.2)
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"
    assert identity.decision.person is None


def test_one_good_look_among_bad_ones_names_no_person() -> None:
    identity = Identity(1, 0.0)
    for step in range(5):
        look_at(identity, match("ann"), step / 10, quality=0.2)
    look_at(identity, match("ann"), 0.5)
    for step in range(6, 15):
        look_at(identity, match("ann"), step / 10, quality=0.2)
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"


def test_face_turned_away_at_first_is_named_within_a_few_good_looks() -> None:
    identity = Identity(1, 0.0)
    for second in range(60):
        look_at(identity, nobody(), float(second), quality=0.15)
    for at_s in (60.0, 60.1, 60.2):
        look_at(identity, match("ann", 0.7), at_s)
    assert identity.is_settled
    assert identity.decision is not None
    assert identity.decision.person == "ann"


def test_name_is_dropped_if_a_similar_face_takes_over_the_track() -> None:
    identity = settled(match("ann"))
    for second in range(1, 60):
        look_at(identity, match("ann"), float(second))
    for second in range(60, 75):
        look_at(identity, nobody(0.3), float(second))
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"


@pytest.mark.simulation
def test_stranger_who_stays_is_hardly_more_often_named_than_one_who_passes() -> None:
    """Half of the variance of the scores is the stranger's own. One comparison in 20 is over the
    threshold, and of strangers no more than that are ever named in ten minutes."""
    random = np.random.default_rng(7)
    strangers, seconds = 100, 600
    part = NormalDist(0.2, 0.08 * 0.5**0.5)
    own = [part.inv_cdf((number + 0.5) / strangers) for number in range(strangers)]
    scores = np.array(own)[:, None] + random.normal(0, part.stdev, (strangers, seconds))
    threshold = NormalDist(0.2, 0.08).inv_cdf(0.95)
    named = sum(_is_ever_named(row.tolist(), threshold) for row in scores)
    assert 0 < named <= strangers * 0.05


def _is_ever_named(scores: list[float], threshold: float) -> bool:
    identity, vector = Identity(1, 0.0), vector_of(1)
    for second, score in enumerate(scores):
        candidates = [Candidate("ann", 1, score), Candidate("bob", 2, -1.0)]
        rule = partial(decide, threshold=threshold)
        identity.look(Look(vector, 0.9), candidates, float(second), rule, SameFace(None, 1.0))
        if identity.is_settled and identity.decision and identity.decision.kind == "match":
            return True
    return False
