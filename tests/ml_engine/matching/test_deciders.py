"""Ranking people by what a search found."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from ml_engine.matching import Candidate, DamagedFile, LinearSvm, decide, decider, without_vetoed
from ml_engine.matching.deciders import Svm, Vote
from ml_engine.matching.svm import train_svm
from ml_engine.types import Float32, ModelMismatch
from tests.ml_engine.vectors import people, unit_vectors

PROBE = np.zeros(4, np.float32)
OWNERS = {1: "ann", 2: "bob", 3: "bob", 4: "bob", 5: "eve"}


def _names(candidates: list[Candidate]) -> list[object]:
    return [candidate.person for candidate in candidates]


def test_the_nearest_goes_by_the_best_template() -> None:
    ranked = decider("nearest", model="model-a").rank(
        PROBE, [0.8, 0.79, 0.7], [1, 2, 3], OWNERS.get
    )
    assert ranked == [Candidate("ann", 1, 0.8), Candidate("bob", 2, 0.79)]


def test_the_mean_goes_by_all_templates_of_a_person() -> None:
    """Also by those that the search did not find."""
    probe = np.array([1, 0, 0, 0], np.float32)
    ann = np.array([[0.8, 0.6, 0, 0]], np.float32)
    bob = np.array([[0.79, 0, np.sqrt(1 - 0.79**2), 0], [0.7, 0, -np.sqrt(0.51), 0]], np.float32)
    vectors = {"ann": ann, "bob": bob, "eve": bob[:0]}
    ranked = decider("mean", model="model-a", vectors_of=lambda person: vectors[str(person)]).rank(
        probe, [0.8, 0.79, 0.3], [1, 2, 5], OWNERS.get
    )
    mean = bob.mean(axis=0)
    similarity = float(mean[0] / np.linalg.norm(mean))
    assert ranked[0] == Candidate("bob", 2, pytest.approx(similarity))  # type: ignore[arg-type]
    assert _names(ranked) == ["bob", "ann"], "eve is gone meanwhile"
    assert similarity > 0.99 > 0.8 == pytest.approx(ranked[1].similarity)


def test_the_mean_must_be_given_the_templates() -> None:
    with pytest.raises(ValueError, match="templates"):
        decider("mean", model="model-a")


def test_a_vote_goes_by_several_and_keeps_the_cosine() -> None:
    scores, ids = [0.80, 0.79, 0.78, 0.77, 0.3], [1, 2, 3, 4, 5]
    ranked = decider("vote", model="model-a").rank(PROBE, scores, ids, OWNERS.get)
    assert ranked == [Candidate("bob", 2, 0.79), Candidate("ann", 1, 0.8), Candidate("eve", 5, 0.3)]
    # Templates far off have little say, however many.
    ranked = decider("vote", model="model-a").rank(
        PROBE, [0.9, 0.32, 0.31, 0.31, 0.3], ids, OWNERS.get
    )
    assert _names(ranked) == ["ann", "bob", "eve"]


def test_only_the_k_best_present_templates_vote() -> None:
    ranked = Vote(k=2).rank(PROBE, [0.9, 0.8, 0.7, 0.7], [9, 1, 2, 3], OWNERS.get)
    assert _names(ranked) == ["ann", "bob"]
    assert Vote().rank(PROBE, [], [], OWNERS.get) == []
    assert Vote().rank(PROBE, [-np.inf], [-1], OWNERS.get) == []
    assert _names(Vote().rank(PROBE, [0.5], [1], OWNERS.get)) == ["ann"]


def test_a_vote_against_the_nearest_is_a_match_or_ambiguous_by_the_margin() -> None:
    ranked = [Candidate("bob", 2, 0.79), Candidate("ann", 1, 0.80)]
    assert decide(ranked, 0.5).person == "bob"
    assert decide(ranked, 0.5, margin=0.05).kind == "ambiguous"


def test_a_negative_that_is_nearer_than_the_template_vetoes() -> None:
    probe = np.array([1, 0, 0, 0], np.float32)
    near = np.array([[0.9, np.sqrt(1 - 0.81), 0, 0]], np.float32)
    candidates = [Candidate("ann", 1, 0.8), Candidate("bob", 2, 0.7)]
    assert _names(without_vetoed(candidates, probe, {"ann": near})) == ["bob"]
    # Of somebody else, or further off than the template: no veto.
    assert _names(without_vetoed(candidates, probe, {"eve": near})) == ["ann", "bob"]
    far = np.concatenate([-near, near[:, ::-1]])
    assert _names(without_vetoed(candidates, probe, {"ann": far, "bob": far[:0]})) == ["ann", "bob"]


def test_svm_decider_without_an_svm_is_refused() -> None:
    with pytest.raises(ValueError, match="trained first"):
        decider("svm", model="model-a")


@pytest.fixture(scope="module")
def gallery() -> tuple[Float32, list[str]]:
    """Forty people with three looks each."""
    vectors, owners = people(40, 3, 32, spread=0.5)
    return vectors, [f"p{owner:02}" for owner in owners]


@pytest.fixture(scope="module")
def svm(gallery: tuple[Float32, list[str]]) -> LinearSvm:
    return train_svm(*gallery, model="model-a")


def test_an_svm_names_other_looks(svm: LinearSvm) -> None:
    probes, owners = people(40, 13, 32, spread=0.5)
    probes = np.concatenate([probes[n * 13 + 3 : (n + 1) * 13] for n in range(40)])
    owners = np.repeat(np.arange(40), 10)
    scores = svm.scores(probes, model="model-a")
    assert [svm.people[row] for row in scores.argmax(axis=1)] == [f"p{n:02}" for n in owners]


def test_an_svm_ranks_everybody_and_leaves_the_rejection_to_the_threshold(
    svm: LinearSvm, gallery: tuple[Float32, list[str]]
) -> None:
    """However little the SVM thinks of a face, the person whose template it is like is named."""
    vectors, owners = gallery
    for probe in (*vectors[::3], *unit_vectors(20, 32, seed=77)):
        scores = vectors @ probe
        best = np.argsort(-scores)
        ranked = Svm(svm, model="model-a").rank(
            probe, scores[best].tolist(), best.tolist(), lambda template: owners[template]
        )
        assert {candidate.person for candidate in ranked} == set(owners)


def test_svm_candidates_are_people_with_their_best_template(
    svm: LinearSvm, gallery: tuple[Float32, list[str]]
) -> None:
    vectors, owners = gallery
    probe = vectors[4]
    scores = vectors @ probe
    best = np.argsort(-scores)[:20]
    ranked = Svm(svm, model="model-a").rank(
        probe, scores[best].tolist(), best.tolist(), lambda template: owners[template]
    )
    assert ranked[0].person == "p01"
    assert ranked[0].template == 4
    assert ranked[0].similarity == pytest.approx(1, abs=1e-5)


def test_person_enrolled_after_the_training_is_ranked_by_similarity(
    svm: LinearSvm, gallery: tuple[Float32, list[str]]
) -> None:
    probe = gallery[0][4]  # of p01
    owner_of = {0: "newcomer", 1: "p01", 2: "another"}.get
    assert _names(Svm(svm, model="model-a").rank(probe, [0.99], [0], owner_of)) == ["newcomer"]
    ranked = Svm(svm, model="model-a").rank(probe, [0.9, 0.8, 0.7], [0, 1, 2], owner_of)
    assert _names(ranked) == ["newcomer", "p01", "another"]
    ranked = Svm(svm, model="model-a").rank(probe, [0.9, 0.8, 0.7], [1, 0, 2], owner_of)
    assert _names(ranked) == ["p01", "newcomer", "another"]
    ranked = Svm(svm, model="model-a").rank(probe, [0.9, 0.8, 0.7], [2, 0, 1], owner_of)
    assert _names(ranked) == ["another", "newcomer", "p01"]


def test_removing_a_person_from_an_svm_keeps_the_others(svm: LinearSvm) -> None:
    rest = svm.without({"p01", "nobody"})
    assert rest.people == tuple(person for person in svm.people if person != "p01")
    probes = unit_vectors(3, 32, seed=5)
    kept = [row for row, person in enumerate(svm.people) if person != "p01"]
    np.testing.assert_allclose(
        rest.scores(probes, model="model-a"),
        svm.scores(probes, model="model-a")[:, kept],
        rtol=1e-5,
    )
    nobody = rest.without(rest.people)
    assert LinearSvm.from_bytes(nobody.to_bytes(), model="model-a").people == ()
    assert _names(Svm(nobody, model="model-a").rank(probes[0], [0.9], [0], lambda _: "ann")) == [
        "ann"
    ]


def test_training_an_svm_of_too_few_people_is_refused(gallery: tuple[Float32, list[str]]) -> None:
    vectors, owners = gallery
    with pytest.raises(ValueError, match="needs 10 people"):
        train_svm(vectors[:9], owners[:9], model="model-a")


def test_svm_from_its_own_bytes_is_the_same(svm: LinearSvm) -> None:
    content = svm.to_bytes()
    loaded = LinearSvm.from_bytes(content, model="model-a")
    assert loaded.people == svm.people
    np.testing.assert_array_equal(loaded.weights, svm.weights)
    with pytest.raises(ModelMismatch):
        LinearSvm.from_bytes(content, model="model-b")


def _with_other_biases(content: bytes) -> bytes:
    file = io.BytesIO()
    with np.load(io.BytesIO(content)) as values:
        np.savez(file, **{**values, "biases": values["biases"] + 1})
    return file.getvalue()


@pytest.mark.parametrize(
    "damaged",
    [lambda content: content[:-100], lambda _: b"hello", _with_other_biases],
    ids=["cut", "text", "changed"],
)
def test_svm_from_damaged_bytes_is_refused(
    svm: LinearSvm, damaged: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(DamagedFile):
        LinearSvm.from_bytes(damaged(svm.to_bytes()), model="model-a")


def test_svm_refuses_probes_of_another_model(svm: LinearSvm) -> None:
    with pytest.raises(ModelMismatch, match="trained on model-a, not on model-b"):
        svm.scores(unit_vectors(1, 32), model="model-b")
    with pytest.raises(ModelMismatch):
        decider("svm", model="model-b", svm=svm)
