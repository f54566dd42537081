"""Choices of a collection for its gallery: the decider, and negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_engine.types import Float32
from recognition.events.models import Event
from recognition.people.index import Gallery, gallery_of, note_changes
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import (
    Collection,
    Negative,
    Person,
    Template,
    TrainedDecider,
)
from recognition.people.services.deciders import decider_train
from recognition.people.services.enrolment import image_delete
from recognition.people.services.persons import person_erase
from tests.commits import committed
from tests.factories import ACTOR, make_collection, make_person
from tests.fakes import embedding_of
from tests.recognition.people.index.galleries import add, choose

pytestmark = pytest.mark.django_db


def _mixed(*parts: tuple[float, int]) -> Float32:
    """(d,) of length 1: a mixture of the faces of these numbers, with these weights."""
    vector = sum(share * embedding_of(number) for share, number in parts)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _people(found: list[list[Any]]) -> list[object]:
    return [candidate.person for candidate in found[0]]


@pytest.mark.parametrize("decider", ["mean", "vote", "svm"])
def test_searching_asks_nothing_of_the_database(
    person: Person, decider: str, django_assert_num_queries: Any
) -> None:
    choose(person.collection, decider=decider)
    add(person, embedding_of(1))
    gallery = gallery_of(person.collection)
    gallery.follow()
    gallery._next_check = float("inf")
    with django_assert_num_queries(0):
        assert _people(gallery.search(embedding_of(1))) == [person.pk]


def test_a_vote_goes_by_several_images(person: Person) -> None:
    """Bob has the nearest image, and Ann has three that are nearly as near."""
    bob = make_person(person.collection)
    shares = (0.26, 0.27, 0.28, 0.9)
    add(person, *(_mixed((1, 1), (share, 50 + n)) for n, share in enumerate(shares)))
    add(bob, _mixed((1, 1), (0.25, 60)))
    gallery = gallery_of(person.collection)
    probe = embedding_of(1)
    assert _people(gallery.search(probe)) == [bob.pk, person.pk]
    choose(person.collection, decider="vote")
    gallery.follow(now=True)
    for people in (1, 2):
        assert _people(gallery.search(probe, people=people)) == [person.pk, bob.pk][:people]
    assert _people(gallery.search(probe, by_similarity=True)) == [bob.pk, person.pk]


def test_the_mean_of_all_images_decides_and_follows_them(person: Person) -> None:
    """Bob has the nearest image, and Ann has three that are nearer on average."""
    bob = make_person(person.collection)
    images = add(person, *(_mixed((1, 1), (0.3, 50 + n)) for n in range(3)))
    add(bob, _mixed((1, 1), (0.25, 60)))
    choose(person.collection, decider="mean")
    gallery, probe = gallery_of(person.collection), embedding_of(1)
    gallery.follow(now=True)
    ann_first, second = gallery.search(probe)[0]
    assert (ann_first.person, second.person) == (person.pk, bob.pk)
    mean = np.mean([row.embedding for row in images], axis=0)
    assert ann_first.similarity == pytest.approx(float(mean @ probe / np.linalg.norm(mean)))
    assert gallery.image_of(ann_first.template) in [row.image_id for row in images]
    assert gallery.ranks_by_similarity
    assert _people(gallery.search(probe, by_similarity=True)) == [bob.pk, person.pk]
    for row in images[:2]:
        image_delete(image=row.image, actor=ACTOR)
    assert _people(gallery.search(probe)) == [bob.pk, person.pk]


@pytest.fixture
def crowd(collection: Collection) -> list[Person]:
    """Twelve people, with three images each that share a direction of their own."""
    people = [make_person(collection) for _ in range(12)]
    for number, one in enumerate(people):
        add(one, *(_mixed((1, number), (0.4, 100 + 3 * number + look)) for look in range(3)))
    return people


def test_a_trained_svm_decides_and_leaves_nobody_out(
    collection: Collection, crowd: list[Person]
) -> None:
    """Only the threshold rejects strangers."""
    choose(collection, decider="svm")
    gallery = gallery_of(collection)
    stranger = embedding_of(70)
    assert gallery.ranks_by_similarity, "it was not trained yet: the nearest decides"
    decider_train(collection=collection, actor=ACTOR)
    gallery.follow(now=True)
    assert not gallery.ranks_by_similarity
    assert len(gallery.search(stranger)[0]) == 5
    assert _people(gallery.search(_mixed((1, 4), (0.4, 80))))[0] == crowd[4].pk
    choose(collection, decider="nearest")
    gallery.follow(now=True)
    assert gallery.ranks_by_similarity


def test_an_svm_throws_nobody_out_of_a_small_collection(
    collection: Collection, crowd: list[Person]
) -> None:
    """The most similar person, however far away, is still among the candidates."""
    choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    gallery = gallery_of(collection)
    for number, person in enumerate(crowd):
        far = _mixed((0.5, number), (0.6, 200 + number), (0.6, 300 + number))
        assert person.pk in _people(gallery.search(far))


def test_person_enrolled_after_svm_training_is_found(
    collection: Collection, crowd: list[Person]
) -> None:
    choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    newcomer = make_person(collection)
    add(newcomer, embedding_of(70))
    gallery = gallery_of(collection)
    assert _people(gallery.search(embedding_of(70)))[0] == newcomer.pk
    # Ranked before a person whom the SVM knows only if the face is more similar.
    found = _people(gallery.search(_mixed((1, 4), (0.5, 70))))
    assert found[:2] == [crowd[4].pk, newcomer.pk]


def test_an_svm_that_was_trained_again_is_taken_over_and_a_damaged_one_is_not(
    collection: Collection, crowd: list[Person]
) -> None:
    choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    elsewhere = Gallery(collection)
    probe = _mixed((1, 4), (0.4, 80))
    assert _people(elsewhere.search(probe))[0] == crowd[4].pk
    before = elsewhere._decider
    elsewhere.follow(now=True)
    assert elsewhere._decider is before, "read once"
    person_erase(person=crowd[4], actor=ACTOR)
    elsewhere.follow(now=True)
    assert elsewhere._decider is not before
    assert crowd[4].pk not in _people(elsewhere.search(probe))
    decider_train(collection=collection, actor=ACTOR)
    TrainedDecider.objects.update(arrays=b"no arrays")
    elsewhere.follow(now=True)
    assert elsewhere.ranks_by_similarity, "the nearest decides"


def test_the_svm_of_another_model_does_not_decide(
    collection: Collection, crowd: list[Person]
) -> None:
    choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    TrainedDecider.objects.update(model=ensure_model_version("dlib_resnet"))
    assert len(Gallery(collection).search(embedding_of(70))[0]) == 5


@committed()
def _reject(person: Person, vector: Float32) -> Negative:
    """Store the face of a rejected visit as a negative, and tell galleries about it."""
    negative = Negative.objects.create(
        collection=person.collection,
        person=person,
        model=person.collection.embedder,
        vector=Template.pack(vector),
    )
    note_changes(person.collection, Template.objects.values_list("pk", flat=True))
    return negative


def test_negative_keeps_a_face_from_being_named(person: Person) -> None:
    """Until the face is more similar to the person's images than to the rejected face."""
    add(person, embedding_of(1))
    here, elsewhere = gallery_of(person.collection), Gallery(person.collection)
    probe = _mixed((1, 1), (1, 2))
    assert _people(here.search(probe)) == _people(elsewhere.search(probe)) == [person.pk]
    negative = _reject(person, probe)
    elsewhere.follow(now=True)
    for gallery in (here, elsewhere, Gallery(person.collection)):
        assert gallery.search(probe) == gallery.search(probe, by_similarity=True) == [[]]
        assert _people(gallery.search(embedding_of(1))) == [person.pk]
    negative.delete()
    with committed():
        note_changes(person.collection, Template.objects.values_list("pk", flat=True))
    assert _people(here.search(probe)) == [person.pk]


def test_next_person_after_a_vetoed_one_is_found(person: Person) -> None:
    """Two candidates are needed to see that a face is ambiguous."""
    others = [make_person(person.collection) for _ in range(2)]
    add(person, *(_mixed((1, 1), (0.1, 100 + number)) for number in range(60)))
    add(others[0], _mixed((1, 1), (2, 2)))
    add(others[1], _mixed((1, 1), (2, 3)))
    _reject(person, embedding_of(1))
    found = gallery_of(person.collection).search(embedding_of(1), people=2)
    assert sorted(map(str, _people(found))) == sorted(str(other.pk) for other in others)


@pytest.mark.parametrize("decider", ["mean", "vote", "svm"])
def test_a_vetoed_person_has_no_vote(
    collection: Collection, crowd: list[Person], decider: str
) -> None:
    choose(collection, decider=decider)
    decider_train(collection=collection, actor=ACTOR)
    gallery = gallery_of(collection)
    probe = _mixed((1, 4), (0.4, 80))
    assert _people(gallery.search(probe))[0] == crowd[4].pk
    _reject(crowd[4], probe)
    assert crowd[4].pk not in _people(gallery.search(probe))


def test_negatives_of_another_model_and_of_people_without_images_do_no_harm(
    person: Person,
) -> None:
    add(person, embedding_of(1))
    absent = make_person(person.collection)
    _reject(absent, embedding_of(1))
    _reject(person, embedding_of(1))
    Negative.objects.filter(person=person).update(model=ensure_model_version("dlib_resnet"))
    assert _people(Gallery(person.collection).search(embedding_of(1))) == [person.pk]


def test_deleted_collection_has_the_default_choices(collection: Collection) -> None:
    gallery = Gallery(make_collection(decider="vote", search_kind="int8"))
    Event.objects.all().delete()
    Collection.objects.exclude(pk=collection.pk).delete()
    assert gallery.search(embedding_of(1)) == [[]]
    assert gallery.kind == "float32"
