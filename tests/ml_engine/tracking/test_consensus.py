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


def _add(consensus: Consensus, candidates: list[Candidate], quality: float) -> bool:
    """One look, a tenth of a second after the one before."""
    return consensus.add(candidates, quality, consensus.count / 10)


def _lasting(*, by_rank: bool = False) -> Consensus:
    """Looks that do not fade."""
    return Consensus(half_life_s=None, by_rank=by_rank)


def test_the_mean_over_the_looks_counts() -> None:
    consensus = _lasting()
    _add(consensus, _look(ann=0.8, bob=0.2), 1.0)
    _add(consensus, _look(ann=0.6, bob=0.4), 1.0)
    found = consensus.candidates()
    assert [candidate.person for candidate in found] == ["ann", "bob"]
    assert found[0].similarity == pytest.approx(0.7)
    assert found[1].similarity == pytest.approx(0.3)
    assert consensus.count == 2


def test_one_blurred_look_does_not_change_the_consensus() -> None:
    consensus = _lasting()
    for _ in range(3):
        assert _add(consensus, _look(ann=0.7, bob=0.1), 0.9)
    assert _add(consensus, _look(bob=0.75, ann=0.1), 0.3)
    assert consensus.candidates()[0].person == "ann"


def test_look_of_too_low_quality_does_not_count() -> None:
    consensus = _lasting()
    assert not _add(consensus, _look(ann=0.9), LEAST_QUALITY - 0.01)
    assert (consensus.count, consensus.candidates()) == (0, [])


def test_person_missing_from_a_look_counts_below_its_last() -> None:
    consensus = _lasting()
    _add(consensus, _look(ann=0.8, bob=0.5), 1.0)
    _add(consensus, _look(bob=0.5, eve=0.3), 1.0)
    means = {candidate.person: candidate.similarity for candidate in consensus.candidates()}
    assert means["ann"] == pytest.approx((0.8 + 0.3) / 2)
    assert means["eve"] == pytest.approx((0.5 + 0.3) / 2)


def test_the_template_is_that_of_the_best_look() -> None:
    consensus = _lasting()
    _add(consensus, [Candidate("ann", 1, 0.5)], 1.0)
    _add(consensus, [Candidate("ann", 2, 0.9)], 1.0)
    _add(consensus, [Candidate("ann", 3, 0.6)], 1.0)
    assert consensus.candidates()[0].template == 2


def test_old_looks_fade_from_the_mean() -> None:
    consensus = Consensus(half_life_s=5.0)
    for second in range(20):
        consensus.add(_look(ann=0.2), 0.9, float(second))
    assert consensus.candidates()[0].similarity == pytest.approx(0.2)
    for second in range(20, 30):
        consensus.add(_look(ann=0.8), 0.9, float(second))
    # Ten seconds are two half-lives: a quarter of the old looks is left.
    assert consensus.candidates()[0].similarity == pytest.approx(0.8 - 0.6 / 4, abs=0.02)


def test_poor_looks_weigh_little_beside_good_ones() -> None:
    consensus = _lasting()
    for _ in range(10):
        _add(consensus, _look(ann=0.2), 0.3)
    for _ in range(3):
        _add(consensus, _look(ann=0.8), 0.9)
    assert consensus.candidates()[0].similarity > 0.6


@pytest.mark.parametrize("fps", [5, 10, 15, 25])
def test_looks_weigh_by_time_and_not_by_number(fps: int) -> None:
    consensus = _lasting()
    for frame in range(2 * fps):
        consensus.add(_look(ann=0.2 if frame < fps else 0.8), 0.9, frame / fps)
    assert consensus.candidates()[0].similarity == pytest.approx(0.5, abs=0.04)


def test_people_that_are_remembered_are_bounded_and_the_likely_ones_stay() -> None:
    consensus = _lasting()
    for look in range(500):
        _add(consensus, _look(ann=0.4, **{f"other {look}": 0.3, "least": 0.1}), 1.0)
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
        consensus = _lasting(by_rank=by_rank)
        for look in looks:
            _add(consensus, look, 1.0)
        found[by_rank] = [candidate.person for candidate in consensus.candidates()]
        assert {c.person: round(c.similarity, 6) for c in consensus.candidates()} == {
            "ann": 0.6,
            "bob": 0.7,
        }
    assert found == {False: ["bob", "ann"], True: ["ann", "bob"]}
    # Two blurred looks do not outvote a clear one.
    consensus = _lasting(by_rank=True)
    for look, quality in zip(looks, (0.3, 0.3, 0.9), strict=True):
        _add(consensus, look, quality)
    assert consensus.candidates()[0].person == "bob"


def test_person_left_out_by_a_decider_gains_nothing() -> None:
    """An SVM often accepts one person alone."""
    consensus = _lasting(by_rank=True)
    _add(consensus, [Candidate("ann", 1, 0.9)], 1.0)
    for _ in range(2):
        _add(consensus, [Candidate("bob", 2, 0.4)], 1.0)
    found = consensus.candidates()
    assert [candidate.person for candidate in found] == ["bob", "ann"]
    assert found[0].similarity == pytest.approx(0.8 / 3)
    assert found[1].similarity == pytest.approx(0.3)


def test_one_blurred_look_at_another_person_leaves_a_name_unambiguous() -> None:
    consensus = _lasting(by_rank=True)
    for _ in range(7):
        _add(consensus, [Candidate("ann", 1, 0.8)], 1.0)
    _add(consensus, [Candidate("bob", 2, 0.35)], 0.3)
    assert decide(consensus.candidates(), 0.5, margin=0.03).person == "ann"


def test_look_without_candidates_counts_against_every_person() -> None:
    consensus = _lasting()
    for candidates in ([], _look(ann=0.6), []):
        _add(consensus, candidates, 1.0)
    assert consensus.candidates()[0].similarity == pytest.approx(0.2)


def test_looks_without_candidates_name_no_person() -> None:
    consensus = _lasting()
    _add(consensus, [], 1.0)
    assert consensus.candidates() == []


@pytest.mark.parametrize("fps", [5, 10, 15, 25])
def test_a_name_settles_after_the_same_time_at_every_frame_rate(fps: int) -> None:
    consensus, frame = Consensus(), 0
    while not consensus.is_settled:
        consensus.note(_ANN, frame / fps, alone=_ANN)
        frame += 1
    # Two frames of a slow camera; within a frame of the time of a fast one.
    assert 0.2 <= round((frame - 1) / fps, 3) < 0.2 + 1 / fps


def test_a_name_needs_more_looks_if_they_do_not_give_it_alone() -> None:
    consensus = Consensus()
    for at_s in (0.0, 0.4):
        consensus.note(_ANN, at_s, alone=_NOBODY)
        assert not consensus.is_settled
    consensus.note(_ANN, 0.8, alone=_NOBODY)
    assert consensus.is_settled


def test_no_name_settles_later_than_a_name() -> None:
    consensus = Consensus()
    for at_s in (0.0, 0.2, 0.4, 0.6):
        consensus.note(_NOBODY, at_s, alone=_NOBODY)
        assert not consensus.is_settled
    consensus.note(_NOBODY, 0.8, alone=_NOBODY)
    assert consensus.is_settled
    consensus.note(_BOB, 0.9, alone=_BOB)
    assert not consensus.is_settled
    consensus.restart()
    assert consensus.count == 0


def test_score_of_a_track_is_the_mean_of_those_of_its_looks() -> None:
    consensus = _lasting()
    looks = Candidate("ann", 1, 0.7, rise=0.1), Candidate("ann", 1, 0.6, stretch=0.5)
    _add(consensus, [looks[0], Candidate("bob", 2, 0.3)], quality=0.9)
    _add(consensus, [looks[1]], quality=0.3)
    ann = consensus.candidates()[0]
    assert ann.person == "ann"
    assert ann.score == pytest.approx((looks[0].score * 0.81 + looks[1].score * 0.09) / 0.9)
    assert ann.stretch == pytest.approx((0.81 + 0.5 * 0.09) / 0.9)
    assert ann.similarity == pytest.approx((0.7 * 0.81 + 0.6 * 0.09) / 0.9)


def _clear_and_blurred(**options: bool) -> list[list[Candidate]]:
    """Two looks at a stranger with other people in each, no score of whom is over 0.9."""
    clear = [Candidate("ann", 1, 0.84, -0.06, **options)]
    clear += [Candidate(f"clear-{n}", 9, 0.8, -0.06, **options) for n in range(4)]
    blurred = [Candidate(f"blurred-{n}", 9, 0.93, 0.03, **options) for n in range(5)]
    return [clear, blurred]


def test_track_names_nobody_whom_no_look_names() -> None:
    consensus = _lasting()
    for look in _clear_and_blurred():
        assert decide(look, 0.91).kind == "unknown"
        _add(consensus, look, quality=0.8)
    found = consensus.candidates()
    assert found[0].score <= 0.9 + 1e-6
    assert decide(found, 0.91).kind == "unknown"


def test_threshold_by_hand_decides_a_track_by_mean_similarity() -> None:
    consensus = _lasting()
    for look in _clear_and_blurred(is_fixed=True):
        _add(consensus, look, quality=0.8)
    found = consensus.candidates()
    assert found[0].person == "ann"
    assert found[0].score == pytest.approx((0.84 + 0.93) / 2)
    assert [each.score for each in found] == sorted((e.similarity for e in found), reverse=True)
