"""Where people lie on the map of a collection."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from recognition.people.models import Collection
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
