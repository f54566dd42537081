"""The kind of index of a gallery, and the change to another kind."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from ml_engine.matching import VectorIndex
from recognition.people.index import Gallery, gallery_of, indexes
from recognition.people.index.contents import IndexState, Row
from recognition.people.index.indexes import BYTES_FROM, BYTES_UNTIL, kind_for, new_index
from recognition.people.models import (
    FaceImage,
    Person,
    Template,
)
from recognition.people.services.enrolment import image_delete
from recognition.web.identifiers import uuid7
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, embedding_of
from tests.ml_engine.vectors import unit_vectors
from tests.recognition.people.index.galleries import DIMENSION, add, choose

pytestmark = pytest.mark.django_db


def _rebuilt(gallery: Gallery) -> Gallery:
    """Let the gallery follow the database, and wait for its background work."""
    gallery.follow(now=True)
    if gallery._rebuilding is not None:
        gallery._rebuilding.join()
    return gallery


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
    templates = add(person, *(embedding_of(number) for number in range(3)))
    gallery = gallery_of(person.collection)
    assert gallery.kind == "float32"
    add(person, embedding_of(3))
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
    choose(person.collection, search_kind=kind)
    gallery.follow(now=True)
    assert gallery.search(embedding_of(1))[0][0].person == person.pk
    other = make_person(person.collection)
    enrol(other, 2)  # not delayed either
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
    contents = IndexState(0, new_index("float32", DIMENSION, "fake"))
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
    choose(person.collection, search_kind="int8")
    assert _rebuilt(_rebuilt(gallery)).kind == "float32"
    assert tried == ["int8"], "not again at once"
    assert gallery.search(embedding_of(1))[0][0].person == person.pk


def test_a_large_gallery_learns_when_it_is_loaded_and_again_when_it_has_doubled(
    person: Person,
) -> None:
    choose(person.collection, search_kind="ivf")
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
