"""For a key of one collection, all rows outside of it do not exist, however they are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from accounts.models import ApiKey
from recognition.cameras.models import Camera
from recognition.events.models import Event
from recognition.people.models import Collection, FaceImage, Person
from tests.answers import good, refusal
from tests.callers import Caller, with_key
from tests.factories import enrol, make_camera, make_collection, make_event, make_person
from tests.fakes import photo
from tests.recognition.people.api.test_recognise import send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


@dataclass
class Side:
    """One row of each model in one collection."""

    collection: Collection
    person: Person
    image: FaceImage
    event: Event
    camera: Camera
    key: ApiKey


def side(name: str, number: int) -> Side:
    collection = make_collection(name=name)
    person = make_person(collection, name=f"Of {name}", external_id="x")
    image = enrol(person, number)[0]
    camera = make_camera(collection)
    key = ApiKey.issue(name=name, scopes=[], collection_id=collection.pk)[0]
    return Side(collection, person, image, make_event(person=person), camera, key)


@pytest.fixture
def mine(db: None) -> Side:
    return side("Mine", 1)


@pytest.fixture
def theirs(db: None) -> Side:
    return side("Theirs", 2)


@pytest.fixture
def limited(mine: Side, theirs: Side) -> Caller:
    return with_key(collection=mine.collection)


@pytest.mark.parametrize("kind", ["collection", "person", "image", "event", "camera", "key"])
def test_limited_key_reads_only_rows_of_its_collection(
    limited: Caller, mine: Side, theirs: Side, kind: str
) -> None:
    resource = {"key": "api-keys"}.get(kind, f"{kind}s")
    own, other = getattr(mine, kind).pk, getattr(theirs, kind).pk
    listed = {row["id"] for row in good(limited.get(f"/api/v1/{resource}"))["results"]}
    assert str(own) in listed
    assert str(other) not in listed
    good(limited.get(f"/api/v1/{resource}/{own}"))
    refusal(limited.get(f"/api/v1/{resource}/{other}"), 404, "not_found")
    refusal(limited.delete(f"/api/v1/{resource}/{other}"), 404, "not_found")


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("persons", "collection"),
        ("images", "collection"),
        ("images", "person"),
        ("events", "collection"),
        ("events", "person"),
        ("events", "camera"),
    ],
)
def test_limited_key_cannot_filter_by_rows_of_others(
    limited: Caller, mine: Side, theirs: Side, resource: str, name: str
) -> None:
    good(limited.get(f"/api/v1/{resource}", {name: getattr(mine, name).pk}))
    answer = limited.get(f"/api/v1/{resource}", {name: getattr(theirs, name).pk})
    refusal(answer, 404, "not_found")


def test_limited_key_finds_no_people_of_others(limited: Caller, mine: Side, theirs: Side) -> None:
    for query in ({"query": "Of"}, {"external_id": "x"}):
        found = good(limited.get("/api/v1/persons", query))["results"]
        assert [row["name"] for row in found] == ["Of Mine"]


def test_limited_key_recognises_only_in_its_collection(
    limited: Caller, mine: Side, theirs: Side
) -> None:
    body = good(send(limited, "identify", photo(1, 2, looks=4)))
    assert body["collection"] == str(mine.collection.pk)
    assert "Of Theirs" not in repr(body)
    other = theirs.collection.pk
    refusal(send(limited, "identify", photo(2), collection=other), 404, "not_found")
    refusal(send(limited, "verify", photo(2), person=theirs.person.pk), 404, "not_found")


def test_limited_key_writes_only_in_its_collection(
    limited: Caller, mine: Side, theirs: Side
) -> None:
    def post(address: str, **body: Any) -> Any:
        return limited.post(f"/api/v1/{address}", body)

    elsewhere = theirs.collection.pk
    refusal(post("persons", name="x", collection=elsewhere), 404, "not_found")
    assert good(post("persons", name="x"), 201)["collection"] == str(mine.collection.pk)
    merge = f"persons/{mine.person.pk}/merge"
    refusal(post(merge, person=theirs.person.pk), 404, "not_found")
    enrol_event = f"events/{mine.event.pk}/enrol"
    refusal(post(enrol_event, person=theirs.person.pk), 404, "not_found")
    refusal(post("cameras", name="x", collection=elsewhere), 404, "not_found")
    refusal(post("collections", name="x"), 403, "permission_denied")
    refusal(post("api-keys", name="x", scopes=["detect"], collection=elsewhere), 404, "not_found")
    answer = limited.patch(f"/api/v1/cameras/{mine.camera.pk}", {"collection": str(elsewhere)})
    refusal(answer, 404, "not_found")
    good(limited.patch(f"/api/v1/collections/{mine.collection.pk}", {"match_margin": 0.1}))


def test_limited_key_reads_only_files_of_its_collection(
    limited: Caller, mine: Side, theirs: Side
) -> None:
    assert limited.get(f"/api/v1/images/{mine.image.pk}/file").status_code == 200
    for address in (
        f"images/{theirs.image.pk}/file",
        f"events/{theirs.event.pk}/snapshot",
        f"events/{theirs.event.pk}/face",
    ):
        refusal(limited.get(f"/api/v1/{address}"), 404, "not_found")


def test_a_key_whose_collection_is_gone_sees_nothing(mine: Side, theirs: Side) -> None:
    empty = make_collection()
    program = with_key(collection=empty)
    empty.delete()
    for resource in ("collections", "persons", "images", "events", "cameras"):
        assert good(program.get(f"/api/v1/{resource}"))["results"] == []
    refusal(program.post("/api/v1/persons", {"name": "x"}), 400, "collection_required")
