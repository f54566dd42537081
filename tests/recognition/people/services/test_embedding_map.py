"""Where people lie on the map of a collection."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from recognition.people.models import Collection, FaceImage
from recognition.people.services import embedding_map as service
from recognition.people.services.embedding_map import embedding_map
from tests.factories import add_people
from tests.ml_engine.vectors import unit_vectors

pytestmark = pytest.mark.django_db


def test_similar_people_lie_close_together(collection: Collection) -> None:
    centres = np.repeat(unit_vectors(3, 192), 5, axis=0)
    vectors = centres + 0.1 * unit_vectors(15, 192, seed=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = add_people(collection, vectors.astype(np.float32), np.arange(15))
    group = {person.pk: number // 5 for number, person in enumerate(people)}
    found = embedding_map(collection)
    places = np.array([[place.x, place.y] for place in found.places])
    groups = np.array([group[place.person.pk] for place in found.places])
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    is_same = groups[:, None] == groups[None]
    assert distances[is_same].max() < distances[~is_same].min()
    assert places.min() == 0
    assert places.max() == 1
    assert found.share > 0.8


def test_map_gives_two_numbers_of_a_person_and_no_vector(collection: Collection) -> None:
    add_people(collection, unit_vectors(5, 192), np.arange(5))
    for place in embedding_map(collection).places:
        values = asdict(place)
        assert set(values) == {"person", "image", "x", "y"}
        assert [round(values[name], 3) for name in ("x", "y")] == [values["x"], values["y"]]


def test_people_with_many_images_of_worse_quality_are_shown(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MOST_IMAGES", 2)
    people = add_people(collection, unit_vectors(20, 192), np.repeat(np.arange(4), 5))
    FaceImage.objects.filter(person=people[0]).update(quality=0.1)
    best = FaceImage.objects.filter(person=people[0]).first()
    assert best is not None
    FaceImage.objects.filter(pk=best.pk).update(quality=0.2)
    vectors, images = service._templates(collection, [person.pk for person in people])
    assert [len(vectors[person.pk]) for person in people] == [2] * 4
    assert images[people[0].pk] == best.pk


def test_map_that_leaves_people_out_says_so(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_people(collection, unit_vectors(5, 192), np.arange(5))
    assert embedding_map(collection).is_whole
    monkeypatch.setattr(service, "MOST_PEOPLE", 4)
    found = embedding_map(collection)
    assert (len(found.places), found.is_whole) == (4, False)


def test_people_whose_faces_are_all_the_same_lie_in_one_place(collection: Collection) -> None:
    add_people(collection, np.repeat(unit_vectors(1, 192), 4, axis=0), np.arange(4))
    found = embedding_map(collection)
    assert len(found.places) == 4
    assert max(max(place.x, place.y) for place in found.places) <= 1


def test_reading_a_map_takes_two_queries(
    collection: Collection, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    add_people(collection, unit_vectors(9, 192), np.arange(9))
    with django_assert_num_queries(2):  # type: ignore[operator]
        embedding_map(collection)
