"""Collections with their rules, and the list of models."""

from __future__ import annotations

import uuid

import pytest

from ml_engine.zoo import PRESETS
from recognition.people.models import Collection, ModelVersion, Person
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_camera, make_collection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
COLLECTIONS = "/api/v1/collections"


def test_collection_added_by_name_has_the_defaults(api: Caller) -> None:
    body = good(api.post(COLLECTIONS, {"name": "Door"}), 201)
    assert body["embedder"] == "mobilefacenet"
    assert body["in_force"]["source"] == "gallery_size"
    assert (body["in_force"]["persons"], body["in_force"]["templates"]) == (0, 0)
    assert good(api.get(f"{COLLECTIONS}/{body['id']}")) == body


def test_collection_is_added_with_all_rules(api: Caller) -> None:
    rules = {
        "name": "Door",
        "description": "The one in the yard",
        "embedder": "dlib_resnet",
        "match_threshold": 0.61,
        "target_false_match_rate": None,
        "target_false_positive_rate": 0.002,
        "match_margin": 0.05,
        "decider": "vote",
        "flip_averaging": "both",
        "search_kind": "int8",
        "quality_policy": "strict",
        "event_retention_days": 0,
        "unknown_retention_days": 1,
        "keeps_originals": True,
    }
    body = good(api.post(COLLECTIONS, rules), 201)
    assert body | rules == body
    in_force = {"threshold": 0.61, "margin": 0.05, "source": "fixed", "curve": "model"}
    assert body["in_force"]["decider"] == "vote"
    assert body["in_force"] | in_force == body["in_force"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("match_threshold", 2),
        ("match_threshold", "nan"),
        ("target_false_match_rate", 0),
        ("target_false_positive_rate", 0.9),
        ("decider", "best"),
        ("flip_averaging", True),
        ("search_kind", "float16"),
        ("match_margin", -1),
        ("quality_policy", "good"),
        ("event_retention_days", -1),
        ("event_retention_days", 10**9),
        ("unknown_retention_days", 10**30),
    ],
)
def test_collection_with_an_invalid_rule_is_answered_400(
    api: Caller, field: str, value: object
) -> None:
    answer = api.post(COLLECTIONS, {"name": "Door", field: value})
    assert field in refusal(answer, 400, "validation_error")["details"]["fields"]
    assert not Collection.objects.exists()


def test_name_of_another_collection_is_answered_409(api: Caller, collection: Collection) -> None:
    refusal(api.post(COLLECTIONS, {"name": "Main"}), 409, "name_taken")
    other = make_collection(name="Door")
    refusal(api.patch(f"{COLLECTIONS}/{other.pk}", {"name": "Main"}), 409, "name_taken")
    good(api.patch(f"{COLLECTIONS}/{other.pk}", {"name": "Door"}))


def test_changed_rule_of_a_collection_is_in_force(api: Caller, collection: Collection) -> None:
    address = f"{COLLECTIONS}/{collection.pk}"
    body = good(api.patch(address, {"target_false_match_rate": 1e-4}))
    assert body["in_force"]["source"] == "target_rate"
    assert good(api.get(address))["target_false_match_rate"] == 1e-4
    assert body["name"] == "Main"


def test_threshold_in_force_rises_with_people_enrolled(
    api: Caller, collection: Collection, person: Person
) -> None:
    address = f"{COLLECTIONS}/{collection.pk}"
    before = good(api.get(address))["in_force"]
    enrol(person, 1)
    for number in range(2, 8):
        enrol(Person.objects.create(collection=collection, name=str(number)), number)
    after = good(api.get(address))["in_force"]
    assert after["persons"] == after["templates"] == 7
    assert after["threshold"] > before["threshold"]


def test_collection_whose_model_has_no_curve_is_told_without_a_threshold(
    api: Caller, collection: Collection
) -> None:
    address = f"{COLLECTIONS}/{collection.pk}"
    ModelVersion.objects.update(impostor_curves={})
    in_force = good(api.get(address))["in_force"]
    assert (in_force["threshold"], in_force["source"]) == (None, None)
    assert good(api.patch(address, {"match_margin": 0.1}))["in_force"]["threshold"] is None
    changed = good(api.patch(address, {"match_threshold": 0.5}))
    assert changed["in_force"]["threshold"] == 0.5


def test_embedder_of_a_collection_with_templates_is_fixed(api: Caller, person: Person) -> None:
    address = f"{COLLECTIONS}/{person.collection_id}"
    good(api.patch(address, {"embedder": "dlib_resnet"}))
    good(api.patch(address, {"embedder": "mobilefacenet"}))
    enrol(person, 1)
    refusal(api.patch(address, {"embedder": "dlib_resnet"}), 409, "embedder_in_use")
    good(api.patch(address, {"embedder": "mobilefacenet", "match_margin": 0.1}))


def test_collection_with_people_or_cameras_is_not_deleted(
    api: Caller, collection: Collection, person: Person
) -> None:
    address = f"{COLLECTIONS}/{collection.pk}"
    refusal(api.delete(address), 409, "collection_not_empty")
    good(api.delete(f"/api/v1/persons/{person.pk}"), 204)
    camera = make_camera(collection)
    refusal(api.delete(address), 409, "collection_not_empty")
    camera.delete()
    good(api.delete(address), 204)
    refusal(api.get(address), 404, "not_found")


def test_unknown_collection_is_answered_404(api: Caller) -> None:
    address = f"{COLLECTIONS}/{uuid.uuid4()}"
    for answer in (api.get(address), api.patch(address, {}), api.delete(address)):
        refusal(answer, 404, "not_found")


def test_collections_are_listed_newest_first(api: Caller, collection: Collection) -> None:
    make_collection(name="Newer")
    assert [row["name"] for row in good(api.get(COLLECTIONS))["results"]] == ["Newer", "Main"]


def test_models_are_listed_with_their_cards(api: Caller, collection: Collection) -> None:
    rows = {row["name"]: row for row in good(api.get("/api/v1/models"))["results"]}
    assert set(rows) == set(PRESETS)
    assert rows["mobilefacenet"]["id"] == collection.embedder_id
    assert all(row["licence"] and row["training_data"] for row in rows.values())
