"""Scores that are normalised by a crowd, in identify, verify, searches and measurements."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.matching import compared
from ml_engine.matching.crowd import Crowd, Norms
from ml_engine.types import Float32
from recognition.people.index import forget_galleries, gallery_of
from recognition.people.models import Collection, Person, Template
from recognition.people.rules import calibration_of, curve_of_collection, rules_of
from recognition.people.services import calibration
from recognition.people.services.identification import identify, verify, verify_person
from recognition.people.services.persons import person_erase
from tests.factories import (
    ACTOR,
    add_people,
    enrol,
    make_calibration,
    make_collection,
    make_person,
)
from tests.fakes import FakeEngine, embedding_of, photo
from tests.ml_engine.vectors import people
from tests.normalised import normalise

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


def test_identify_verify_and_search_give_one_normalised_threshold(
    engine: FakeEngine, person: Person
) -> None:
    (image,) = enrol(person, 1)
    cohort = normalise()
    person.collection.refresh_from_db()
    curve = curve_of_collection(person.collection)
    assert curve is not None
    (found,) = identify(collection=person.collection, data=photo(1, looks=3), actor=ACTOR).faces
    verified = verify_person(person=person, data=photo(1, looks=3), actor=ACTOR)
    template = np.frombuffer(image.templates.get().vector, "<f4")
    (wanted,) = compared(embedding_of(1, looks=3), template[None], [(None, 0)], cohort)
    rules = rules_of(person.collection, gallery_of(person.collection))
    assert wanted.stretch != 1
    assert (found.decision, verified.decision) == ("match", "match")
    assert found.threshold == pytest.approx(wanted.needed(rules.threshold), abs=1e-4)
    assert verified.threshold == pytest.approx(wanted.needed(curve.threshold(1e-3)), abs=1e-4)
    assert found.fmr == pytest.approx(curve.fmr(wanted.score), rel=1e-3)
    assert found.fmr == pytest.approx(verified.fmr, rel=1e-3)


def test_verify_gives_the_same_answer_for_both_orders(engine: FakeEngine, person: Person) -> None:
    normalise()
    one = verify(data_a=photo(1), data_b=photo(9), actor=ACTOR)
    other = verify(data_a=photo(9), data_b=photo(1), actor=ACTOR)
    assert one.threshold == pytest.approx(other.threshold, abs=1e-5)
    another = verify(data_a=photo(1), data_b=photo(5), actor=ACTOR)
    assert another.threshold != pytest.approx(one.threshold, abs=1e-5)


@pytest.fixture
def _no_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faces of the fake engine are alike to nobody: the least mean and deviation of a crowd
    would stand for all of them."""
    least = np.float32(-1), np.float32(0.01)
    monkeypatch.setattr(Crowd, "_least", property(lambda _: least))


@pytest.mark.usefixtures("_no_floor")
def test_people_come_in_the_order_of_their_scores(engine: FakeEngine) -> None:
    """The most similar person may be one who is similar to everybody."""
    collection = make_collection()
    for number in range(1, 13):
        enrol(make_person(collection), number)
    normalise()
    collection.refresh_from_db()
    gallery, curve = gallery_of(collection), curve_of_collection(collection)
    orders = set()
    for number in range(40, 60):
        (few,) = gallery.search(embedding_of(number), people=2, curve=curve)
        (everybody,) = gallery.search(embedding_of(number), people=12, curve=curve)
        scores = [candidate.score for candidate in everybody]
        assert scores == sorted(scores, reverse=True)
        assert few == everybody[:2]
        similarities = [candidate.similarity for candidate in everybody]
        orders.add(similarities == sorted(similarities, reverse=True))
    assert False in orders, "similarities come in another order than scores"


def test_look_at_a_face_computes_norms_of_that_face_alone(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection()
    members = [make_person(collection) for _ in range(6)]
    for number, member in enumerate(members):
        enrol(member, number, number)
    normalise()
    collection.refresh_from_db()
    forget_galleries()
    gallery, curve = gallery_of(collection), curve_of_collection(collection)
    gallery.follow(now=True)
    counts: list[int] = []
    norms = Crowd.norms

    def counted(crowd: Crowd, faces: Float32) -> Norms:
        counts.append(len(faces))
        return norms(crowd, faces)

    monkeypatch.setattr(Crowd, "norms", counted)
    gallery.search(np.stack([embedding_of(1), embedding_of(40)]), curve=curve)
    assert counts == [1, 1]
    person_erase(person=members[1], actor=ACTOR)
    gallery.follow(now=True)
    gallery.search(embedding_of(2), curve=curve)
    assert gallery._contents is not None
    assert len(gallery._contents._norms) == gallery.size[1] == 10


def test_mean_is_normalised_as_the_mean(engine: FakeEngine) -> None:
    collection = make_collection(decider="mean")
    person = make_person(collection)
    images = enrol(person, 1, 1, 1)
    cohort = normalise()
    collection.refresh_from_db()
    curve = curve_of_collection(collection)
    assert curve is not None
    (found,) = gallery_of(collection).search(embedding_of(1), curve=curve)
    vectors = [np.frombuffer(image.templates.get().vector, "<f4") for image in images]
    mean = np.mean(vectors, axis=0)
    (wanted,) = compared(embedding_of(1), (mean / np.linalg.norm(mean))[None], [(None, 0)], cohort)
    assert found[0].stretch == pytest.approx(wanted.stretch, rel=1e-4)
    assert found[0].score == pytest.approx(wanted.score - curve.mean_rise(3), abs=1e-4)


def test_measurement_does_not_survive_a_change_of_normalisation(collection: Collection) -> None:
    make_calibration(collection)
    collection.uses_own_curve = True
    collection.save()
    assert calibration_of(collection) is not None
    normalise()
    collection.refresh_from_db()
    assert calibration_of(collection) is None
    assert rules_of(collection, gallery_of(collection)).curve_source == "model"


def test_own_curve_is_measured_with_the_normalisation_in_force(engine: FakeEngine) -> None:
    collection = make_collection()
    add_people(collection, *people(90, 2, 192, spread=0.5))
    cohort = normalise()
    collection.refresh_from_db()
    calibration.collection_calibrate(collection=collection, actor=ACTOR)
    row = calibration_of(collection)
    assert row is not None
    assert row.impostor_curve["normalisation"] == cohort.normalisation


def test_fixed_threshold_does_not_survive_a_change_of_normalisation(
    collection: Collection,
) -> None:
    Collection.objects.update(match_threshold=0.5)
    normalise()
    collection.refresh_from_db()
    assert collection.match_threshold is None
    Collection.objects.update(match_threshold=0.5)
    normalise()  # the same again
    collection.refresh_from_db()
    assert collection.match_threshold == 0.5
    normalise(centre=0.2)
    collection.refresh_from_db()
    assert collection.match_threshold is None


def test_fixed_threshold_of_the_second_model_does_not_survive_it_either(
    collection: Collection,
) -> None:
    Collection.objects.update(candidate=collection.embedder, candidate_threshold=0.5)
    normalise()
    collection.refresh_from_db()
    assert collection.candidate_threshold is None


@pytest.fixture
def normalised(engine: FakeEngine, _no_floor: None) -> Collection:
    """Twelve people with one image each, whose scores are normalised."""
    collection = make_collection()
    for number in range(1, 13):
        enrol(make_person(collection), number)
    normalise()
    collection.refresh_from_db()
    return collection


def _ranked_otherwise(collection: Collection) -> tuple[int, float]:
    """A face whose best score is not that of the most similar person, and a similarity that only
    the most similar person has."""
    gallery, curve = gallery_of(collection), curve_of_collection(collection)
    for number in range(40, 80):
        (found,) = gallery.search(embedding_of(number), people=12, curve=curve)
        most = max(candidate.similarity for candidate in found)
        if found[0].similarity < most - 0.005:
            return number, (found[0].similarity + most) / 2
    raise AssertionError("no such face")


def test_threshold_by_hand_ranks_people_by_similarity(normalised: Collection) -> None:
    number, threshold = _ranked_otherwise(normalised)
    (asked,) = identify(
        collection=normalised, data=photo(number), actor=ACTOR, threshold=threshold
    ).faces
    normalised.match_threshold = threshold
    (stored,) = identify(collection=normalised, data=photo(number), actor=ACTOR).faces
    curve = curve_of_collection(normalised)
    assert curve is not None
    for found in (asked, stored):
        assert found.decision == "match"
        assert found.threshold == threshold
        similarities = [candidate.similarity for candidate in found.candidates]
        assert similarities == sorted(similarities, reverse=True)
        assert found.fmr != pytest.approx(curve.fmr(similarities[0])), "of the score"


def _with_another_best_template(collection: Collection) -> tuple[Person, int]:
    """A person, and a face whose best score is not that with the most similar template."""
    gallery, curve = gallery_of(collection), curve_of_collection(collection)
    assert curve is not None
    person = make_person(collection)
    images = enrol(person, *range(100, 112))
    rows = np.stack([np.frombuffer(i.templates.get().vector, "<f4") for i in images])
    gallery.follow(now=True)
    for number in range(40, 80):
        pairs = compared(embedding_of(number), rows, [(person.pk, n) for n in range(12)],
                         curve.scoring)  # fmt: skip
        nearest = sorted(pairs, key=lambda pair: -pair.similarity)
        if nearest[0].score < nearest[1].score - 1e-3:
            return person, number
    raise AssertionError("no such face")


def test_identify_scores_the_template_that_verify_scores(normalised: Collection) -> None:
    person, number = _with_another_best_template(normalised)
    data = photo(number)
    for threshold in (None, -1.0):
        verified = verify_person(person=person, data=data, actor=ACTOR, threshold=threshold)
        (found,) = identify(
            collection=normalised, data=data, actor=ACTOR, max_candidates=20, threshold=threshold
        ).faces
        mine = next(each for each in found.candidates if each.person_id == person.pk)
        assert mine.image_id == verified.image_id
        assert mine.similarity == pytest.approx(verified.similarity, abs=1e-6)


def test_verify_by_a_threshold_by_hand_takes_the_most_similar_image(
    normalised: Collection,
) -> None:
    person, number = _with_another_best_template(normalised)
    verified = verify_person(person=person, data=photo(number), actor=ACTOR, threshold=0.9)
    (found,) = gallery_of(normalised).search(embedding_of(number), people=20)
    assert verified.similarity == pytest.approx(
        next(each.similarity for each in found if each.person == person.pk), abs=1e-5
    )


def test_people_missed_at_a_threshold_by_hand_are_counted_by_similarity(
    engine: FakeEngine,
) -> None:
    collection = make_collection()
    add_people(collection, *people(90, 2, 192, spread=0.5))
    normalise()
    collection.refresh_from_db()
    vectors = np.stack([
        np.frombuffer(row, "<f4")
        for row in Template.objects.order_by("image__person_id").values_list("vector", flat=True)
    ])  # fmt: skip
    similarities = np.einsum("nd,nd->n", vectors[::2], vectors[1::2])
    collection.match_threshold = float(np.median(similarities)) - 1e-5
    figures = calibration.missed_people(collection)
    assert figures is not None
    assert (figures["people"], figures["missed"]) == (
        90,
        (similarities < collection.match_threshold).sum(),
    )
