"""The gallery: people in memory as the database has them, in this process and in others.

A second `Gallery` of the same collection stands for another process: nobody tells it anything.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from ml_engine.matching import ImpostorCurve
from ml_engine.zoo import preset
from recognition.people.index import (
    Gallery,
    changes_prune,
    forget_galleries,
    gallery_of,
    note_changes,
    reading,
)
from recognition.people.index import gallery as module
from recognition.people.index.contents import IndexState, Row
from recognition.people.index.indexes import new_index
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, FaceImage, GalleryChange, Person, Template
from recognition.people.rules import rules_of
from recognition.people.services.enrolment import image_delete
from recognition.people.services.persons import person_erase, person_merge
from recognition.web.errors import ServiceError
from tests.commits import committed
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, embedding_of

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["float32", "int8", "ivf"])
def collection(db: None, request: pytest.FixtureRequest) -> Collection:
    """A collection with each kind of search: the promises of a gallery hold for all kinds."""
    return make_collection(name="Main", search_kind=request.param)


@pytest.fixture
def elsewhere(collection: Collection) -> Gallery:
    """A gallery that was loaded while the collection was still empty."""
    gallery = Gallery(collection)
    assert gallery.size == (0, 0)
    return gallery


def _add_templates(person: Person, count: int, *, first: int = 0) -> list[Template]:
    """Only rows, by numbers of `embedding_of`. Galleries are not told."""
    pictures = {
        "collection": person.collection,
        "file": "",
        "box": [],
        "landmarks": [],
        "quality": 1.0,
    }
    images = [
        FaceImage(person=person, sha256=f"{person.pk.hex}{first + i}", **pictures)
        for i in range(count)
    ]
    FaceImage.objects.bulk_create(images)
    Template.objects.bulk_create(
        [
            Template(
                image=image,
                collection=person.collection,
                model=person.collection.embedder,
                vector=Template.pack(embedding_of(first + i)),
                dimension=192,
            )
            for i, image in enumerate(images)
        ]
    )
    return list(Template.objects.filter(image__in=images).order_by("pk"))


def test_person_enrolled_by_this_process_is_found_at_once(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    gallery = gallery_of(collection)
    assert gallery.search(embedding_of(1)) == [[]]
    (image,) = enrol(person, 1)
    found = gallery.search(embedding_of(1))[0][0]
    assert found.person == person.pk
    assert found.similarity > 0.9
    assert gallery.image_of(found.template) == image.pk


def test_another_process_follows_additions_and_removals(
    engine: FakeEngine, person: Person, collection: Collection, elsewhere: Gallery
) -> None:
    first, _ = enrol(person, 1, 1)
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 2)
    image_delete(image=first, actor=ACTOR)
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 1)
    other = make_person(collection)
    enrol(other, 7)
    person_merge(into=other, person=person, actor=ACTOR)
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 2)
    assert elsewhere.search(embedding_of(1))[0][0].person == other.pk
    person_erase(person=other, actor=ACTOR)
    elsewhere.follow(now=True)
    assert elsewhere.size == (0, 0)
    assert elsewhere.search(embedding_of(1)) == [[]]


def test_following_reads_what_changed_and_no_more(
    engine: FakeEngine, person: Person, elsewhere: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("everything was loaded again")

    assert gallery_of(person.collection).size == (0, 0)
    monkeypatch.setattr(Gallery, "_loaded", never)
    enrol(person, 1)
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 1)


def test_search_checks_for_changes_only_from_time_to_time(
    engine: FakeEngine,
    person: Person,
    elsewhere: Gallery,
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrol(person, 1)
    elsewhere._next_check = float("inf")
    with django_assert_num_queries(0):
        assert elsewhere.search(embedding_of(1)) == [[]]
    elsewhere._next_check = 0.0
    assert elsewhere.search(embedding_of(1))[0]
    with django_assert_num_queries(0):
        assert elsewhere.search(embedding_of(1))[0]


def test_a_gallery_that_missed_pruned_changes_loads_again(
    engine: FakeEngine, person: Person, elsewhere: Gallery
) -> None:
    enrol(person, 1)
    enrol(person, 2)
    first = GalleryChange.objects.order_by("revision").first()
    assert first is not None
    first.delete()
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 2)


def test_a_gallery_that_is_far_behind_loads_again(
    engine: FakeEngine, person: Person, elsewhere: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_CHANGES", 2)
    applied: list[Any] = []
    monkeypatch.setattr(Gallery, "_apply", lambda *args: applied.append(args))
    enrol(person, 1, 1, 1)
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 3)
    assert not applied


def test_only_old_changes_are_pruned(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    GalleryChange.objects.update(created_at=timezone.now() - timedelta(hours=2))
    enrol(person, 2)
    assert changes_prune() == 1
    assert GalleryChange.objects.count() == 1


def test_a_revision_is_pruned_as_a_whole(
    person: Person, collection: Collection, elsewhere: Gallery
) -> None:
    """Writing a large one takes seconds, and the limit may be reached in the middle."""
    first, second = _add_templates(person, 2)
    note_changes(collection, [first.pk, second.pk])
    old = GalleryChange.objects.filter(template_id=first.pk)
    old.update(created_at=timezone.now() - timedelta(hours=2))
    changes_prune()
    elsewhere.follow(now=True)
    assert elsewhere.size == (1, 2)


def test_loading_reads_in_chunks_and_misses_nothing(
    person: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 10)
    templates = _add_templates(person, 25)
    gallery = Gallery(collection)
    assert gallery.size == (1, 25)
    for number in (0, 9, 10, 24):
        assert gallery.search(embedding_of(number))[0][0].template == templates[number].pk


def test_templates_of_other_models_and_collections_stay_out(
    person: Person, collection: Collection
) -> None:
    (template,) = _add_templates(person, 1)
    _add_templates(make_person(make_collection()), 1, first=5)
    Template.objects.create(
        image=template.image,
        collection=collection,
        model=ensure_model_version("dlib_resnet"),
        vector=Template.pack(embedding_of(1, "dlib_resnet")),
        dimension=128,
    )
    assert Gallery(collection).size == (1, 1)


def test_person_behind_one_with_very_many_images_is_found(
    person: Person, collection: Collection
) -> None:
    _add_templates(person, 200)
    other = make_person(collection)
    _add_templates(other, 1, first=300)
    found = Gallery(collection).search(embedding_of(3), people=2)[0]
    assert [candidate.person for candidate in found] == [person.pk, other.pk]
    assert found[0].similarity > found[1].similarity


def test_several_queries_are_answered_in_their_order(person: Person) -> None:
    other = make_person(person.collection)
    _add_templates(person, 3)
    _add_templates(other, 3, first=10)
    queries = np.stack([embedding_of(n) for n in (11, 1, 12)])
    found = Gallery(person.collection).search(queries, people=1)
    assert [row[0].person for row in found] == [other.pk, person.pk, other.pk]


def test_rolled_back_change_is_in_no_gallery(
    person: Person, collection: Collection, elsewhere: Gallery
) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        note_changes(collection, [t.pk for t in _add_templates(person, 1)])
        raise RuntimeError
    elsewhere.follow(now=True)
    assert elsewhere.size == (0, 0)
    collection.refresh_from_db()
    assert collection.gallery_revision == 0


def test_nothing_changed_raises_no_revision(collection: Collection) -> None:
    note_changes(collection, [])
    collection.refresh_from_db()
    assert collection.gallery_revision == 0


def test_gallery_of_a_deleted_collection_is_empty(
    engine: FakeEngine, person: Person, collection: Collection, elsewhere: Gallery
) -> None:
    enrol(person, 1)
    elsewhere.follow(now=True)
    Template.objects.all().delete()
    Person.objects.all().delete()
    Collection.objects.all().delete()
    elsewhere.follow(now=True)
    assert elsewhere.size == (0, 0)


def test_the_gallery_of_a_process_is_one(collection: Collection) -> None:
    assert gallery_of(collection) is gallery_of(Collection.objects.get())
    before = gallery_of(collection)
    forget_galleries(collection.pk)
    assert gallery_of(collection) is not before


def test_while_the_database_is_away_the_known_people_are_found(
    person: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_templates(person, 1)
    gallery = Gallery(collection)
    assert gallery.size == (1, 1)

    def away(*_: Any) -> Any:
        raise DatabaseError("gone away")

    monkeypatch.setattr(Gallery, "_follow", away)
    # A test is a transaction, and in a transaction the error must be raised.
    outside = SimpleNamespace(in_atomic_block=False, close=lambda: None)
    monkeypatch.setattr(module, "connection", outside)
    gallery._next_check = 0.0
    assert gallery.search(embedding_of(0))[0][0].person == person.pk
    with pytest.raises(DatabaseError):
        Gallery(collection).search(embedding_of(0))


@pytest.mark.django_db(transaction=True)
def test_a_gallery_is_loaded_once_when_several_threads_ask_first(
    person: Person,
    collection: Collection,
    close_connections: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _add_templates(person, 3)
    loads: list[int] = []
    load = Gallery._loaded

    def counted(self: Gallery, standing: reading.CollectionState) -> Any:
        loads.append(standing.revision)
        return load(self, standing)

    monkeypatch.setattr(Gallery, "_loaded", counted)
    gallery = Gallery(collection)
    sizes: list[tuple[int, int]] = []
    start = threading.Barrier(4)

    def ask() -> None:
        start.wait()
        sizes.append(gallery.size)
        close_connections()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(1, 3)] * 4
    assert len(loads) == 1


_CURVE = ImpostorCurve(
    "test", "d", (0.1, 0.2, 0.3, 0.4, 0.5), (1e-1, 1e-2, 1e-3, 1e-4, 1e-5), 10, ""
)


@pytest.fixture
def curved(collection: Collection) -> Collection:
    """A collection with a curve of round figures."""
    collection.embedder.impostor_curves = {preset("mtcnn").version: _CURVE.to_dict()}
    collection.embedder.save()
    return collection


def test_a_threshold_set_by_hand_holds(curved: Collection) -> None:
    curved.match_threshold, curved.target_false_match_rate = 0.77, 1e-3
    rules = rules_of(curved, gallery_of(curved))
    assert (rules.threshold, rules.source) == (0.77, "fixed")
    assert rules.curve is not None, "answers tell the rate of a score all the same"


def test_a_target_rate_gives_the_threshold(curved: Collection) -> None:
    curved.target_false_match_rate = 1e-3
    rules = rules_of(curved, gallery_of(curved))
    assert rules.threshold == pytest.approx(0.3)
    assert (rules.source, rules.margin) == ("target_rate", curved.match_margin)


def test_threshold_follows_the_curve_as_templates_are_added(curved: Collection) -> None:
    rules = rules_of(curved, gallery_of(curved))
    assert (rules.threshold, rules.source) == (pytest.approx(0.2), "gallery_size")
    person = make_person(curved)
    templates = _add_templates(person, 100)
    with committed():
        note_changes(curved, [template.pk for template in templates])
    rules = rules_of(curved, gallery_of(curved))
    assert rules.threshold == pytest.approx(0.4), "a hundredth of the chance for each of a hundred"


def test_without_a_curve_a_threshold_must_be_set(collection: Collection) -> None:
    collection.embedder.impostor_curves = {}
    with pytest.raises(ServiceError) as refused:
        rules_of(collection, gallery_of(collection))
    assert (refused.value.code, refused.value.status) == ("no_threshold", 409)
    collection.match_threshold = 0.5
    assert rules_of(collection, gallery_of(collection)).curve is None


def test_template_that_moves_to_another_person_is_always_found() -> None:
    class Kept(dict[Any, Any]):
        def pop(self, *_: Any) -> Any:
            raise AssertionError("it was nobody's for a moment")

    ann, bob = uuid4(), uuid4()
    vector = embedding_of(1)
    contents = IndexState(0, new_index("float32", len(vector), "fake"))
    rows = [Row(7, str(uuid4()), person, vector.tobytes()) for person in (ann, bob)]
    contents.put(rows[:1], {ann: ("Ann", None, ())})
    members = contents._members
    members._owners = Kept(members._owners)
    contents.put(rows[1:], {bob: ("Bob", None, ())})
    assert contents.search(vector[None], 1)[0][0].person == bob
    assert (contents.size, contents.member(ann)) == ((1, 1), None)
