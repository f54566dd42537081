"""Changing a collection's model over REST."""

from __future__ import annotations

import pytest

from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, ModelChange, ModelVersion
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_model_change, make_person
from tests.fakes import photo
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


@pytest.fixture
def address(collection: Collection) -> str:
    enrol(make_person(collection), 1, 1)
    return f"/api/v1/collections/{collection.pk}/model-change"


def test_whole_change_over_rest(api: Caller, address: str, collection: Collection) -> None:
    assert api.get(address).status_code == 404
    begun = good(api.post(address, {"embedder": "dlib_resnet"}), 202)
    assert (begun["state"], begun["images_total"], begun["images_missing"]) == ("embedding", 2, 2)
    refusal(api.post(f"{address}/switch"), 409, "model_change_not_ready")
    run_jobs()
    ready = good(api.get(address))
    assert (ready["state"], ready["images_done"], ready["images_missing"]) == ("ready", 2, 0)
    assert [side["people"] for side in ready["missed"]] == [1, 1]
    assert "78 are needed" in ready["message"]
    row = good(api.get(f"/api/v1/collections/{collection.pk}"))
    assert row["candidate"] == ensure_model_version("dlib_resnet").version
    assert good(api.post(f"{address}/switch"))["state"] == "switched"
    assert good(api.post(f"{address}/roll-back"))["state"] == "rolled_back"
    assert good(api.post(f"{address}/switch", {"accepted_losses": 0}))["state"] == "switched"
    assert good(api.post(f"{address}/let-go"))["state"] == "done"
    refusal(api.post(f"{address}/cancel"), 409, "no_model_change")
    assert good(api.get(f"/api/v1/collections/{collection.pk}"))["embedder"] == "dlib_resnet"


def test_two_models_are_kept_and_named_by_cameras_over_rest(
    api: Caller, address: str, collection: Collection
) -> None:
    mine = f"/api/v1/collections/{collection.pk}"
    second = ensure_model_version("dlib_resnet").version
    code = "not_a_model_of_the_collection"
    refusal(api.post("/api/v1/cameras", {"name": "Gate", "model": second}), 409, code)
    assert good(api.get(mine))["candidate_in_force"] is None
    good(api.post(address, {"embedder": "dlib_resnet"}), 202)
    run_jobs()
    row = good(api.get(mine))
    assert row["candidate_in_force"]["templates"] == row["in_force"]["templates"] == 2
    assert row["candidate_in_force"]["threshold"] != row["in_force"]["threshold"]
    camera = good(api.post("/api/v1/cameras", {"name": "Gate", "model": "dlib_resnet"}), 201)
    assert camera["model"] == second
    assert good(api.get("/api/v1/cameras"))["results"] == [camera]
    refusal(api.post(f"{address}/cancel"), 409, "model_named_by_cameras")
    assert good(api.patch(f"/api/v1/cameras/{camera['id']}", {"model": None}))["model"] is None
    changed = good(api.patch(mine, {"candidate_threshold": 0.95}))
    assert changed["candidate_in_force"]["source"] == "fixed"
    assert changed["in_force"] == row["in_force"]
    assert good(api.get(address))["kept_threshold"] == 0.95
    good(api.post(f"{address}/cancel"))
    refusal(api.patch(mine, {"candidate_threshold": 0.9}), 409, "no_second_model")


def test_second_model_without_a_threshold_leaves_the_collection_readable(
    api: Caller, address: str, collection: Collection
) -> None:
    good(api.post(address, {"embedder": "dlib_resnet"}), 202)
    run_jobs()
    Collection.objects.update(match_threshold=0.5)
    ModelVersion.objects.update(impostor_curves={})
    mine = f"/api/v1/collections/{collection.pk}"
    row = good(api.get(mine))
    second = row["candidate_in_force"]
    assert (second["threshold"], second["source"], second["curve"]) == (None, None, None)
    assert (second["templates"], row["in_force"]["threshold"]) == (2, 0.5)
    assert good(api.patch(mine, {"description": "new"}))["candidate_in_force"] == second


def test_picture_is_identified_with_the_second_model_over_rest(
    api: Caller, address: str, collection: Collection
) -> None:
    good(api.post(address, {"embedder": "dlib_resnet"}), 202)
    run_jobs()
    second = ensure_model_version("dlib_resnet").version
    for model in (collection.embedder.version, second):
        answer = good(api.send(f"/api/v1/identify?model={model}", photo(1), "image/jpeg"))
        assert answer["model"] == model
        assert answer["faces"][0]["decision"] == "match"
    code = "not_a_model_of_the_collection"
    refusal(api.send("/api/v1/identify?model=fusion", photo(1), "image/jpeg"), 409, code)


def test_change_can_be_cancelled_over_rest(api: Caller, address: str) -> None:
    good(api.post(address, {"embedder": "dlib_resnet"}), 202)
    assert good(api.post(f"{address}/cancel"))["state"] == "cancelled"


def test_change_to_an_unknown_model_is_refused(api: Caller, address: str) -> None:
    refusal(api.post(address, {"embedder": "nonsense"}), 400, "unknown_model")
    refusal(api.post(address), 400, "validation_error")
    refusal(api.post(f"{address}/switch", {"accept": 1}), 400, "unknown_field")
    assert not ModelChange.objects.exists()


def test_pictures_of_both_models_are_served(
    api: Caller, address: str, collection: Collection
) -> None:
    make_model_change(collection)
    assert api.get(f"{address}/det.svg?side=source").status_code == 404, "it was not measured"
    for name in ("det.svg", "scores.svg?theme=dark"):
        answer = api.get(f"{address}/{name}")
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
        assert b"<svg" in answer.content
