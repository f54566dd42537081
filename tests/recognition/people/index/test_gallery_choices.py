"""What a collection chooses for its gallery: the kind of index, who decides, whom a face is not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings

from ml_engine.matching import VectorIndex
from ml_engine.types import Float32
from recognition.events.models import Event
from recognition.people.index import Gallery, gallery_of, indexes, note_changes
from recognition.people.index.contents import IndexState, Row
from recognition.people.index.indexes import BYTES_FROM, BYTES_UNTIL, kind_for
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import (
    Collection,
    FaceImage,
    Negative,
    Person,
    Template,
    TrainedDecider,
)
from recognition.people.services.deciders import decider_train
from recognition.people.services.enrolment import image_delete
from recognition.people.services.persons import person_erase
from recognition.web.identifiers import uuid7
from tests.commits import committed
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, embedding_of
from tests.ml_engine.vectors import unit_vectors

pytestmark = pytest.mark.django_db

DIMENSION = 192


def _rebuilt(gallery: Gallery) -> Gallery:
    """Follows, and waits for what that began in the background."""
    gallery.follow(now=True)
    if gallery._rebuilding is not None:
        gallery._rebuilding.join()
    return gallery


def _choose(collection: Collection, **choices: str) -> None:
    Collection.objects.filter(pk=collection.pk).update(**choices)


def _mixed(*parts: tuple[float, int]) -> Float32:
    """(d,) of length 1: so much of each number's face."""
    vector = sum(share * embedding_of(number) for share, number in parts)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@committed()
def _add(person: Person, *vectors: Float32) -> list[Template]:
    """Templates of these vectors; galleries are told."""
    rows = []
    for vector in vectors:
        image = FaceImage.objects.create(
            person=person, sha256=uuid7().hex, file="", box=[], landmarks=[], quality=1.0
        )
        model = person.collection.embedder
        values = {"image": image, "collection": person.collection, "model": model}
        packed = Template.pack(vector)
        rows.append(Template.objects.create(**values, vector=packed, dimension=DIMENSION))
    note_changes(person.collection, [row.pk for row in rows])
    return rows


def _people(found: list[list[Any]]) -> list[object]:
    return [candidate.person for candidate in found[0]]


def test_the_size_chooses_the_kind_and_small_changes_do_not() -> None:
    assert kind_for("auto", BYTES_FROM - 1) == "float32"
    assert kind_for("auto", BYTES_FROM, "float32") == "int8"
    assert kind_for("auto", BYTES_UNTIL, "int8") == "int8"
    assert kind_for("auto", BYTES_UNTIL - 1, "int8") == "float32"
    assert kind_for("auto", BYTES_UNTIL) == "float32"
    assert kind_for("ivf", 3, "int8") == "ivf"
    assert kind_for("float32", 10**7) == "float32"


def test_a_gallery_that_grows_is_searched_in_bytes(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "BYTES_FROM", 4)
    monkeypatch.setattr(indexes, "BYTES_UNTIL", 2)
    templates = _add(person, *(embedding_of(number) for number in range(3)))
    gallery = gallery_of(person.collection)
    assert gallery.kind == "float32"
    _add(person, embedding_of(3))
    assert _rebuilt(gallery).kind == Gallery(person.collection).kind == "int8"
    for template in templates[:2]:
        image_delete(image=template.image, actor=ACTOR)
    assert _rebuilt(gallery).kind == "int8"
    image_delete(image=templates[2].image, actor=ACTOR)
    assert _rebuilt(gallery).kind == "float32"
    assert gallery.search(embedding_of(3))[0][0].similarity == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["int8", "ivf"])
def test_another_kind_is_built_while_searches_go_on(
    engine: FakeEngine, person: Person, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(person, 1)
    gallery = gallery_of(person.collection)
    assert gallery.kind == "float32"
    may_go_on, optimise = threading.Event(), VectorIndex.optimise

    def waits(index: VectorIndex) -> None:
        assert may_go_on.wait(10)
        optimise(index)

    monkeypatch.setattr(VectorIndex, "optimise", waits)
    _choose(person.collection, search_kind=kind)
    gallery.follow(now=True)
    assert gallery.search(embedding_of(1))[0][0].person == person.pk
    other = make_person(person.collection)
    enrol(other, 2)  # not held up either
    assert gallery.search(embedding_of(2))[0][0].person == other.pk
    assert gallery.kind == "float32"
    may_go_on.set()
    assert _rebuilt(gallery).kind == kind
    assert gallery.size == (2, 2)
    for number, owner in ((1, person), (2, other)):
        assert gallery.search(embedding_of(number))[0][0].person == owner.pk


def test_changes_while_an_index_is_built_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit_vectors(40, DIMENSION)
    ann = uuid7()
    rows = [Row(n, str(uuid7()), ann, vector.tobytes()) for n, vector in enumerate(vectors)]
    contents = IndexState(DIMENSION, "fake", 0)
    contents.put(rows[:30], {ann: ("Ann", None, ())})

    def meanwhile(index: VectorIndex) -> None:
        contents.drop([4, 29])
        contents.put(rows[30:], {ann: ("Ann", None, ())})

    monkeypatch.setattr(VectorIndex, "optimise", meanwhile)
    contents.rebuild("int8")
    assert contents.index.kind == "int8"
    assert sorted(contents.index.ids) == sorted({*range(40)} - {4, 29})
    ids, kept = contents.index.vectors(contents.index.ids)
    np.testing.assert_array_equal(kept, vectors[ids])


def test_an_index_that_cannot_be_built_leaves_the_old_one(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(person, 1)
    gallery = gallery_of(person.collection)
    gallery.follow()
    tried: list[str] = []

    def no_room(self: IndexState, kind: str) -> None:
        tried.append(kind)
        raise OSError("no space left on device")

    monkeypatch.setattr(IndexState, "rebuild", no_room)
    _choose(person.collection, search_kind="int8")
    assert _rebuilt(_rebuilt(gallery)).kind == "float32"
    assert tried == ["int8"], "not again at once"
    assert gallery.search(embedding_of(1))[0][0].person == person.pk


def test_a_large_gallery_learns_when_it_is_loaded_and_again_when_it_has_doubled(
    person: Person,
) -> None:
    _choose(person.collection, search_kind="ivf")
    vectors = unit_vectors(10_500, DIMENSION)
    images = [
        FaceImage(person=person, collection=person.collection, sha256=f"{n}", file="", box=[],
                  landmarks=[], quality=1.0)
        for n in range(len(vectors))
    ]  # fmt: skip
    FaceImage.objects.bulk_create(images)
    shared = {"collection": person.collection, "model": person.collection.embedder}
    Template.objects.bulk_create(
        Template(image=image, vector=Template.pack(vector), dimension=DIMENSION, **shared)
        for image, vector in zip(images, vectors, strict=True)
    )
    gallery = Gallery(person.collection)
    gallery.follow()
    contents = gallery._contents
    assert contents is not None
    assert contents.index._scanner._lists is not None  # type: ignore[attr-defined]
    assert gallery.search(vectors[77])[0][0].similarity == pytest.approx(1, abs=1e-5)
    assert not contents.wants_index("ivf")
    contents._learnt_from = len(vectors) // 2
    assert contents.wants_index("ivf")
    assert list((Path(settings.VAR_DIR) / "gallery").iterdir()) == [], "files have no name"


@pytest.mark.parametrize("decider", ["mean", "vote", "svm"])
def test_searching_asks_nothing_of_the_database(
    person: Person, decider: str, django_assert_num_queries: Any
) -> None:
    _choose(person.collection, decider=decider)
    _add(person, embedding_of(1))
    gallery = gallery_of(person.collection)
    gallery.follow()
    gallery._next_check = float("inf")
    with django_assert_num_queries(0):
        assert _people(gallery.search(embedding_of(1))) == [person.pk]


def test_a_vote_goes_by_several_images(person: Person) -> None:
    """Bob has the nearest image, Ann three that are nearly as near."""
    bob = make_person(person.collection)
    shares = (0.26, 0.27, 0.28, 0.9)
    _add(person, *(_mixed((1, 1), (share, 50 + n)) for n, share in enumerate(shares)))
    _add(bob, _mixed((1, 1), (0.25, 60)))
    gallery = gallery_of(person.collection)
    probe = embedding_of(1)
    assert _people(gallery.search(probe)) == [bob.pk, person.pk]
    _choose(person.collection, decider="vote")
    gallery.follow(now=True)
    for people in (1, 2):
        assert _people(gallery.search(probe, people=people)) == [person.pk, bob.pk][:people]
    assert _people(gallery.search(probe, by_similarity=True)) == [bob.pk, person.pk]


def test_the_mean_of_all_images_decides_and_follows_them(person: Person) -> None:
    """Bob has the nearest image, Ann three that are nearer on average."""
    bob = make_person(person.collection)
    images = _add(person, *(_mixed((1, 1), (0.3, 50 + n)) for n in range(3)))
    _add(bob, _mixed((1, 1), (0.25, 60)))
    _choose(person.collection, decider="mean")
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
        _add(one, *(_mixed((1, number), (0.4, 100 + 3 * number + look)) for look in range(3)))
    return people


def test_a_trained_svm_decides_and_leaves_nobody_out(
    collection: Collection, crowd: list[Person]
) -> None:
    """Strangers are left to the threshold."""
    _choose(collection, decider="svm")
    gallery = gallery_of(collection)
    stranger = embedding_of(70)
    assert gallery.ranks_by_similarity, "it was not trained yet: the nearest decides"
    decider_train(collection=collection, actor=ACTOR)
    gallery.follow(now=True)
    assert not gallery.ranks_by_similarity
    assert len(gallery.search(stranger)[0]) == 5
    assert _people(gallery.search(_mixed((1, 4), (0.4, 80))))[0] == crowd[4].pk
    _choose(collection, decider="nearest")
    gallery.follow(now=True)
    assert gallery.ranks_by_similarity


def test_an_svm_throws_nobody_out_of_a_small_collection(
    collection: Collection, crowd: list[Person]
) -> None:
    """Whoever is first by similarity, at whatever distance, is still among the candidates."""
    _choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    gallery = gallery_of(collection)
    for number, person in enumerate(crowd):
        far = _mixed((0.5, number), (0.6, 200 + number), (0.6, 300 + number))
        assert person.pk in _people(gallery.search(far))


def test_person_enrolled_after_svm_training_is_found(
    collection: Collection, crowd: list[Person]
) -> None:
    _choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    newcomer = make_person(collection)
    _add(newcomer, embedding_of(70))
    gallery = gallery_of(collection)
    assert _people(gallery.search(embedding_of(70)))[0] == newcomer.pk
    # Before those whom the SVM knows only if the face is more like them.
    found = _people(gallery.search(_mixed((1, 4), (0.5, 70))))
    assert found[:2] == [crowd[4].pk, newcomer.pk]


def test_an_svm_that_was_trained_again_is_taken_over_and_a_damaged_one_is_not(
    collection: Collection, crowd: list[Person]
) -> None:
    _choose(collection, decider="svm")
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
    _choose(collection, decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    TrainedDecider.objects.update(model=ensure_model_version("dlib_resnet"))
    assert len(Gallery(collection).search(embedding_of(70))[0]) == 5


@committed()
def _reject(person: Person, vector: Float32) -> Negative:
    """The face of a rejected visit; galleries are told."""
    negative = Negative.objects.create(
        collection=person.collection,
        person=person,
        model=person.collection.embedder,
        vector=Template.pack(vector),
    )
    note_changes(person.collection, Template.objects.values_list("pk", flat=True))
    return negative


def test_negative_keeps_a_face_from_being_named(person: Person) -> None:
    """Until the face is more like their images than like that face."""
    _add(person, embedding_of(1))
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
    _add(person, *(_mixed((1, 1), (0.1, 100 + number)) for number in range(60)))
    _add(others[0], _mixed((1, 1), (2, 2)))
    _add(others[1], _mixed((1, 1), (2, 3)))
    _reject(person, embedding_of(1))
    found = gallery_of(person.collection).search(embedding_of(1), people=2)
    assert sorted(map(str, _people(found))) == sorted(str(other.pk) for other in others)


@pytest.mark.parametrize("decider", ["mean", "vote", "svm"])
def test_a_vetoed_person_has_no_vote(
    collection: Collection, crowd: list[Person], decider: str
) -> None:
    _choose(collection, decider=decider)
    decider_train(collection=collection, actor=ACTOR)
    gallery = gallery_of(collection)
    probe = _mixed((1, 4), (0.4, 80))
    assert _people(gallery.search(probe))[0] == crowd[4].pk
    _reject(crowd[4], probe)
    assert crowd[4].pk not in _people(gallery.search(probe))


def test_negatives_of_another_model_and_of_people_without_images_do_no_harm(
    person: Person,
) -> None:
    _add(person, embedding_of(1))
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
