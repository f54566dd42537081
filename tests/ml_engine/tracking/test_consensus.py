"""One look decides nothing."""

from __future__ import annotations

import pytest

from ml_engine.matching import Candidate, Decision, decide
from ml_engine.tracking import LEAST_QUALITY, Consensus

_ANN, _BOB = (Decision("match", 0.5, person=name) for name in ("ann", "bob"))
_NOBODY = Decision("unknown", 0.5)


def _look(**similarities: float) -> list[Candidate]:
    ranked = sorted(similarities.items(), key=lambda pair: -pair[1])
    return [Candidate(name, hash(name) % 100, value) for name, value in ranked]


def test_the_mean_over_the_looks_counts() -> None:
    consensus = Consensus()
    consensus.add(_look(ann=0.8, bob=0.2), 1.0)
    consensus.add(_look(ann=0.6, bob=0.4), 1.0)
    found = consensus.candidates()
    assert [candidate.person for candidate in found] == ["ann", "bob"]
    assert found[0].similarity == pytest.approx(0.7)
    assert found[1].similarity == pytest.approx(0.3)
    assert consensus.count == 2


def test_one_blurred_look_does_not_change_the_consensus() -> None:
    consensus = Consensus()
    for _ in range(3):
        assert consensus.add(_look(ann=0.7, bob=0.1), 0.9)
    assert consensus.add(_look(bob=0.75, ann=0.1), 0.3)
    assert consensus.candidates()[0].person == "ann"


def test_look_of_too_low_quality_does_not_count() -> None:
    consensus = Consensus()
    assert not consensus.add(_look(ann=0.9), LEAST_QUALITY - 0.01)
    assert (consensus.count, consensus.candidates()) == (0, [])


def test_person_missing_from_a_look_counts_below_its_last() -> None:
    consensus = Consensus()
    consensus.add(_look(ann=0.8, bob=0.5), 1.0)
    consensus.add(_look(bob=0.5, eve=0.3), 1.0)
    means = {candidate.person: candidate.similarity for candidate in consensus.candidates()}
    assert means["ann"] == pytest.approx((0.8 + 0.3) / 2)
    assert means["eve"] == pytest.approx((0.5 + 0.3) / 2)


def test_the_template_is_that_of_the_best_look() -> None:
    consensus = Consensus()
    consensus.add([Candidate("ann", 1, 0.5)], 1.0)
    consensus.add([Candidate("ann", 2, 0.9)], 1.0)
    consensus.add([Candidate("ann", 3, 0.6)], 1.0)
    assert consensus.candidates()[0].template == 2


def test_all_looks_count_until_a_name_is_firm_and_then_the_last_ones() -> None:
    consensus = Consensus(looks=2, settles_after=2)
    for similarity in (0.1, 0.8, 0.8, 0.7):
        consensus.add(_look(ann=similarity), 1.0)
    assert consensus.candidates()[0].similarity == pytest.approx(0.6)
    for _ in range(2):
        consensus.note(_ANN)
    assert consensus.candidates()[0].similarity == pytest.approx(0.75)


def test_a_name_that_was_given_up_does_not_come_back_by_old_looks() -> None:
    consensus = Consensus(looks=2, settles_after=2)
    for similarity in (0.9, 0.9, 0.9):
        consensus.add(_look(ann=similarity), 1.0)
        consensus.note(_ANN)
    for similarity in (0.1, 0.1, 0.1):
        consensus.add(_look(ann=similarity), 1.0)
        consensus.note(_NOBODY)
    assert consensus.candidates()[0].similarity == pytest.approx(0.1)


def test_people_that_are_remembered_are_bounded_and_the_likely_ones_stay() -> None:
    consensus = Consensus()
    for look in range(500):
        consensus.add(_look(ann=0.4, **{f"other {look}": 0.3, "least": 0.1}), 1.0)
    found = consensus.candidates()
    assert found[0].person == "ann"
    assert found[0].similarity == pytest.approx(0.4)
    assert len(found) <= 130


def test_person_ranked_first_in_most_looks_is_first() -> None:
    looks = [
        [Candidate("ann", 1, 0.6), Candidate("bob", 2, 0.7)],
        [Candidate("ann", 1, 0.6), Candidate("bob", 2, 0.7)],
        [Candidate("bob", 2, 0.7), Candidate("ann", 1, 0.6)],
    ]
    found = {}
    for by_rank in (False, True):
        consensus = Consensus(by_rank=by_rank)
        for look in looks:
            consensus.add(look, 1.0)
        found[by_rank] = [candidate.person for candidate in consensus.candidates()]
        assert {c.person: round(c.similarity, 6) for c in consensus.candidates()} == {
            "ann": 0.6,
            "bob": 0.7,
        }
    assert found == {False: ["bob", "ann"], True: ["ann", "bob"]}
    # Two blurred looks do not outvote a clear one.
    consensus = Consensus(by_rank=True)
    for look, quality in zip(looks, (0.3, 0.3, 0.9), strict=True):
        consensus.add(look, quality)
    assert consensus.candidates()[0].person == "bob"


def test_person_left_out_by_a_decider_gains_nothing() -> None:
    """An SVM often accepts one person alone."""
    consensus = Consensus(by_rank=True)
    consensus.add([Candidate("ann", 1, 0.9)], 1.0)
    for _ in range(2):
        consensus.add([Candidate("bob", 2, 0.4)], 1.0)
    found = consensus.candidates()
    assert [candidate.person for candidate in found] == ["bob", "ann"]
    assert found[0].similarity == pytest.approx(0.8 / 3)
    assert found[1].similarity == pytest.approx(0.3)


def test_one_blurred_look_at_another_person_leaves_a_name_unambiguous() -> None:
    consensus = Consensus(by_rank=True)
    for _ in range(7):
        consensus.add([Candidate("ann", 1, 0.8)], 1.0)
    consensus.add([Candidate("bob", 2, 0.35)], 0.3)
    assert decide(consensus.candidates(), 0.5, margin=0.03).person == "ann"


def test_look_without_candidates_counts_against_every_person() -> None:
    consensus = Consensus()
    for candidates in ([], _look(ann=0.6), []):
        consensus.add(candidates, 1.0)
    assert consensus.candidates()[0].similarity == pytest.approx(0.2)


def test_looks_without_candidates_name_no_person() -> None:
    consensus = Consensus()
    consensus.add([], 1.0)
    assert consensus.candidates() == []


def test_consensus_settles_when_the_last_looks_agree() -> None:
    consensus = Consensus(settles_after=3)
    for _ in range(2):
        consensus.note(_ANN)
    assert not consensus.is_settled
    consensus.note(_BOB)
    assert not consensus.is_settled
    consensus.note(_BOB)
    consensus.note(_BOB)
    assert consensus.is_settled
    consensus.restart()
    assert not consensus.is_settled
    assert consensus.count == 0


def test_the_rise_of_a_track_is_the_mean_of_those_of_its_looks() -> None:
    consensus = Consensus()
    consensus.add([Candidate("ann", 1, 0.7, rise=0.1), Candidate("bob", 2, 0.3)], quality=0.9)
    consensus.add([Candidate("ann", 1, 0.6, rise=0.0)], quality=0.3)
    ann = consensus.candidates()[0]
    assert ann.person == "ann"
    assert ann.rise == pytest.approx(0.1 * 0.9 / 1.2)
    assert ann.similarity == pytest.approx((0.7 * 0.9 + 0.6 * 0.3) / 1.2)
