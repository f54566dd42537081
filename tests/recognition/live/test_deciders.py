"""A stream names whom the collection's decider puts first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_engine.types import Float32
from recognition.people.index import forget_galleries, gallery_of
from recognition.people.models import Collection, Person, Template
from tests.factories import enrol, make_person
from tests.fakes import FakeEngine, embedding_of, photo
from tests.recognition.live.streams import DrivenStream

pytestmark = pytest.mark.django_db(transaction=True)

FACE = 7


def _like(share: float, number: int) -> Float32:
    """(d,) of length 1: the face, less so with a larger share of another number's."""
    vector = embedding_of(FACE) + share * embedding_of(number)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def two(
    engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> list[Person]:
    """Bob has the image nearest to the face, Ann three that are nearly as near."""
    ann, bob = make_person(collection, name="Ann"), make_person(collection, name="Bob")
    enrol(ann, 1, 1, 1)
    enrol(bob, 2)
    vectors = [_like(share, 20 + n) for n, share in enumerate((0.26, 0.27, 0.28, 0.25))]
    for row, vector in zip(Template.objects.order_by("pk"), vectors, strict=True):
        row.vector = Template.pack(vector)
        row.save()
    monkeypatch.setattr(engine, "_vector", lambda *_: embedding_of(FACE))
    return [ann, bob]


def _named(collection: Collection) -> Any:
    with DrivenStream(collection) as stream:
        person = stream.show(photo(FACE), frames=6)["faces"][0]["person"]
    return person and person["name"]


@pytest.mark.parametrize(
    ("decider", "name"), [("nearest", "Bob"), ("mean", "Ann"), ("vote", "Ann")]
)
def test_decider_of_the_collection_names_live_faces(
    two: list[Person], collection: Collection, decider: str, name: str
) -> None:
    collection.decider, collection.match_margin = decider, 0.0
    collection.save()
    forget_galleries()
    assert _named(collection) == name


@pytest.mark.parametrize("decider", ["mean", "vote"])
def test_tracked_faces_follow_a_changed_decider(
    two: list[Person], collection: Collection, decider: str
) -> None:
    Collection.objects.update(match_margin=0.0)
    collection.refresh_from_db()
    forget_galleries()
    with DrivenStream(collection) as stream:
        face = stream.show(photo(FACE), frames=6)["faces"][0]
        assert face["person"]["name"] == "Bob"
        Collection.objects.update(decider=decider)
        gallery_of(collection).follow(now=True)
        # At once, with the looks that it has: a settled face is looked at only once a second.
        again = stream.show(photo(FACE), frames=2)["faces"][0]
    assert (again["track"], again["person"]["name"]) == (face["track"], "Ann")
