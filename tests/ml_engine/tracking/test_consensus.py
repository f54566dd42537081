"""One look decides nothing."""

from __future__ import annotations

import pytest

from ml_engine.matching import Candidate
from ml_engine.tracking import Consensus


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


def test_one_blurred_look_does_not_turn_it() -> None:
    consensus = Consensus()
    for _ in range(3):
        consensus.add(_look(ann=0.7, bob=0.1), 0.9)
    consensus.add(_look(bob=0.75, ann=0.1), 0.1)
    assert consensus.candidates()[0].person == "ann"


def test_somebody_missing_from_a_look_was_below_its_last() -> None:
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


def test_old_looks_are_forgotten() -> None:
    consensus = Consensus(looks=2)
    for similarity in (0.1, 0.8, 0.8):
        consensus.add(_look(ann=similarity), 1.0)
    assert consensus.candidates()[0].similarity == pytest.approx(0.8)


def test_looks_at_nobody_give_nobody() -> None:
    consensus = Consensus()
    consensus.add([], 1.0)
    assert consensus.candidates() == []


def test_it_settles_when_the_last_looks_agree() -> None:
    consensus = Consensus(settles_after=3)
    for outcome in ("ann", "ann"):
        consensus.note(outcome)
    assert not consensus.is_settled
    consensus.note("bob")
    assert not consensus.is_settled
    consensus.note("bob")
    consensus.note("bob")
    assert consensus.is_settled
    consensus.restart()
    assert not consensus.is_settled
    assert consensus.count == 0
