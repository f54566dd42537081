"""From search results to people, from people to a decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_engine.matching import (
    Candidate,
    Decision,
    ImpostorCurve,
    decide,
    name_once,
    person_candidates,
)

CURVE = ImpostorCurve("m", "d", (0.2, 0.4, 0.6), (1e-1, 1e-3, 1e-5), 1000, "test")


def _people(*similarities: float) -> list[Candidate]:
    return [Candidate(f"person-{n}", n, value) for n, value in enumerate(similarities)]


def test_each_person_stands_once_with_the_best_template() -> None:
    owners = {10: "ann", 11: "ann", 12: "bob", 13: None}
    found = person_candidates([0.9, 0.8, 0.7, 0.6], [13, 11, 10, 12], owners.get)
    assert found == [Candidate("ann", 11, 0.8), Candidate("bob", 12, 0.6)]


def test_search_for_people_ends_with_the_last_one_that_is_wanted() -> None:
    owners = {10: "ann", 11: "bob", 12: "ann", 13: "cleo"}
    asked: list[int] = []

    def owner_of(template: int) -> str:
        asked.append(template)
        return owners[template]

    found = person_candidates([0.9, 0.8, 0.7, 0.6], [10, 12, 11, 13], owner_of, most=2)
    assert [candidate.person for candidate in found] == ["ann", "bob"]
    assert asked == [10, 12, 11]


def test_padding_of_a_search_is_no_candidate() -> None:
    found = person_candidates([0.9, float("-inf")], [10, -1], {10: "ann", -1: "nobody"}.get)
    assert found == [Candidate("ann", 10, 0.9)]


def test_decision_in_an_empty_gallery_is_unknown_without_a_score() -> None:
    decision = decide([], 0.5, curve=CURVE)
    assert (decision.kind, decision.person, decision.similarity) == ("unknown", None, None)
    assert decision.fmr is None


def test_score_over_the_threshold_is_a_match() -> None:
    decision = decide(_people(0.5, 0.3), 0.5)
    assert (decision.kind, decision.person, decision.template) == ("match", "person-0", 0)


def test_score_under_the_threshold_is_unknown_with_its_similarity() -> None:
    decision = decide(_people(0.49, 0.3), 0.5, curve=CURVE)
    assert (decision.kind, decision.person, decision.template) == ("unknown", None, None)
    assert decision.similarity == 0.49
    assert decision.fmr == pytest.approx(CURVE.fmr(0.49))
    assert [candidate.similarity for candidate in decision.candidates] == [0.49, 0.3]


def test_two_people_over_the_threshold_and_too_close_are_ambiguous() -> None:
    decision = decide(_people(0.62, 0.60), 0.5, margin=0.05)
    assert (decision.kind, decision.person) == ("ambiguous", None)
    assert decide(_people(0.66, 0.60), 0.5, margin=0.05).kind == "match"
    # The second one is no rival where it would not be named itself.
    assert decide(_people(0.51, 0.49), 0.5, margin=0.05).kind == "match"


def _match(person: str, similarity: float, threshold: float = 0.5) -> Decision:
    return decide([Candidate(person, 1, similarity)], threshold)


def test_a_person_matches_the_best_of_several_faces() -> None:
    faces = [_match("ann", 0.6), _match("bob", 0.7), _match("ann", 0.8), _match("ann", 0.55)]
    told = name_once(faces)
    assert [decision.kind for decision in told] == ["ambiguous", "match", "match", "ambiguous"]
    assert [decision.person for decision in told] == [None, "bob", "ann", None]
    assert told[0].similarity == 0.6
    assert told[0].candidates == faces[0].candidates
    assert told[0].template is None


def test_the_best_of_several_faces_is_furthest_over_its_threshold() -> None:
    told = name_once([_match("ann", 0.7, threshold=0.68), _match("ann", 0.65, threshold=0.5)])
    assert [decision.kind for decision in told] == ["ambiguous", "match"]


def test_of_equal_faces_the_first_one_matches() -> None:
    told = name_once([_match("ann", 0.7), _match("ann", 0.7), _match("ann", 0.4)])
    assert [decision.kind for decision in told] == ["match", "ambiguous", "unknown"]


def test_a_poor_picture_raises_the_threshold_of_its_face() -> None:
    poor = Candidate("ann", 1, 0.58, rise=0.1)
    decision = decide([poor], 0.5, curve=CURVE)
    assert (decision.kind, decision.threshold) == ("unknown", pytest.approx(0.6))
    assert decision.similarity == 0.58
    assert decision.fmr == pytest.approx(CURVE.fmr(0.48))
    assert decide([poor], 0.45, curve=CURVE).person == "ann"


def test_threshold_of_a_stretched_score_is_told_as_a_similarity() -> None:
    found = Candidate("ann", 1, 0.58, rise=0.1, stretch=0.8)
    assert found.score == pytest.approx(0.6)
    for threshold, kind in ((0.59, "match"), (0.61, "unknown")):
        decision = decide([found], threshold)
        assert decision.kind == kind
        assert decision.threshold == pytest.approx(0.1 + 0.8 * threshold)
        assert (found.similarity >= decision.threshold) == (kind == "match")


def test_a_threshold_that_was_set_by_hand_does_not_rise() -> None:
    poor = Candidate("ann", 1, 0.58, rise=0.1, is_fixed=True)
    decision = decide([poor], 0.5, curve=CURVE)
    assert (decision.kind, decision.threshold) == ("match", 0.5)
    assert decision.fmr == pytest.approx(CURVE.fmr(0.48)), "told as it is"


def test_a_rival_is_held_against_its_own_threshold() -> None:
    found = [Candidate("ann", 1, 0.62), Candidate("bob", 2, 0.61, rise=0.15)]
    assert decide(found, 0.5, margin=0.05).person == "ann"
    by_hand = [replace(each, is_fixed=True) for each in found]
    assert decide(by_hand, 0.5, margin=0.05).kind == "ambiguous"


def test_best_of_several_faces_is_the_one_of_the_best_score() -> None:
    """Similarities of two faces are in different units."""
    wide = decide([Candidate("ann", 1, 0.9, stretch=1.3)], 0.45)
    narrow = decide([Candidate("ann", 1, 0.62, stretch=0.8)], 0.45)
    assert wide.similarity is not None and narrow.similarity is not None
    assert wide.similarity - wide.threshold > narrow.similarity - narrow.threshold
    assert [each.kind for each in name_once([wide, narrow])] == ["ambiguous", "match"]
