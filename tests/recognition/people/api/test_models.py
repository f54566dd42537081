"""Models of one's own over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.access import Role, Scope
from ml_engine.matching.error_rates import people_needed
from recognition.jobs.models import Job
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.services import own_models
from tests.answers import good, refusal
from tests.callers import Caller, signed_in, with_key
from tests.factories import ACTOR, make_collection, make_own_model
from tests.ml_engine.formats import hostile
from tests.own_models import DIMENSION, tiny_tflite
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.people.services.test_own_models import vectors_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, settings: Any) -> Path:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    return tmp_path / "weights"


def _form(path: Path, **fields: object) -> dict[str, object]:
    return {"file": SimpleUploadedFile(path.name, path.read_bytes())} | fields


def _post(api: Caller, address: str, fields: dict[str, object]) -> Any:
    return api.post(address, fields, format="multipart")


def test_rest_adds_and_removes_a_model(api: Caller, tmp_path: Path) -> None:
    form = _form(tiny_tflite(tmp_path / "tiny.tflite"), name="own", channels="bgr", licence="CC0")
    added = good(_post(api, "/api/v1/models", form), 201)
    assert (added["state"], added["dimension"], added["licence"]) == ("added", DIMENSION, "CC0")
    assert added["report"]["card"]["preprocessing"]["channels"] == "bgr"
    rows = {row["id"]: row for row in good(api.get("/api/v1/models"))["results"]}
    assert rows[added["id"]]["version"] == added["version"]
    assert api.delete(f"/api/v1/models/{added['id']}").status_code == 204
    assert not ModelVersion.objects.filter(source="file").exists()


def test_rest_inspects_a_file_and_keeps_nothing(api: Caller, tmp_path: Path) -> None:
    form = _form(tiny_tflite(tmp_path / "tiny.tflite"))
    found = good(_post(api, "/api/v1/models/inspect", form))
    assert (found["kind"], found["operations"]["RESHAPE"]) == ("tflite", 1)
    assert not ModelVersion.objects.filter(source="file").exists()


@pytest.mark.parametrize("address", ["/api/v1/models", "/api/v1/models/inspect"])
def test_rest_names_the_operation_of_a_refused_file(
    api: Caller, tmp_path: Path, address: str
) -> None:
    (tmp_path / "evil.onnx").write_bytes(hostile.onnx(domain="mine", operation="Evil"))
    form = _form(tmp_path / "evil.onnx")
    if not address.endswith("inspect"):
        form["name"] = "own"
    answer = _post(api, address, form)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "operation_refused")
    assert "Operation mine.Evil" in answer.json()["error"]["message"]


@pytest.mark.parametrize("fields", [{}, {"name": "own", "scale": 0}, {"name": "own", "other": 1}])
def test_rest_refuses_a_form_that_is_not_complete_or_right(
    api: Caller, tmp_path: Path, fields: dict[str, object]
) -> None:
    form = _form(tiny_tflite(tmp_path / "tiny.tflite"), **fields)
    assert _post(api, "/api/v1/models", form).status_code == 400


def test_rest_evaluates_a_model_as_a_job(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_own_model(state="added")
    collection = make_collection(name="Door")
    address = f"/api/v1/models/{version.pk}/evaluate"
    body = {"collection": str(collection.pk)}
    answer = api.post(address, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_few_people")
    count = people_needed()
    Person.objects.bulk_create(Person(collection=collection, name=str(n)) for n in range(count))
    monkeypatch.setattr(
        own_models, "collection_vectors", lambda *given: vectors_of(count, noise=0.3)
    )
    good(api.post(address, body), 202)
    assert run_jobs() == 1
    job = Job.objects.get(kind="evaluate_model")
    assert (job.result or {})["state"] == "usable"
    rows = {row["id"]: row for row in good(api.get("/api/v1/models"))["results"]}
    assert (rows[version.pk]["state"], rows[version.pk]["figures"]["people"]) == ("usable", count)


def test_only_administrators_change_models(tmp_path: Path) -> None:
    operator = signed_in(Role.OPERATOR)
    form = _form(tiny_tflite(tmp_path / "tiny.tflite"), name="own")
    assert _post(operator, "/api/v1/models", form).status_code == 403


def test_rest_takes_three_channels_and_values_of_placeholders(api: Caller, tmp_path: Path) -> None:
    path = tiny_tflite(tmp_path / "tiny.tflite")
    told = {"mean": "1,2,3", "checkpoint": "model-1", "values": "keep_prob=1.0"}
    added = good(_post(api, "/api/v1/models", _form(path, name="own", **told)), 201)
    assert added["report"]["card"]["preprocessing"]["mean"] == [1, 2, 3]
    for change in ({"mean": "1,2"}, {"mean": "x"}, {"mean": "1,2,3", "channels": "grey"},
                   {"values": "keep_prob"}):  # fmt: skip
        form = _form(path, name="other", **change)
        assert _post(api, "/api/v1/models", form).status_code == 400


def test_file_whose_name_is_too_long_for_a_disk_is_read(api: Caller, tmp_path: Path) -> None:
    content = tiny_tflite(tmp_path / "tiny.tflite").read_bytes()
    form: dict[str, object] = {"file": SimpleUploadedFile("面" * 200 + ".tflite", content)}
    assert good(_post(api, "/api/v1/models/inspect", form))["kind"] == "tflite"


def test_rest_tells_and_takes_the_curve_of_a_model_in_use(api: Caller) -> None:
    version, other = make_own_model(), make_collection()
    mine = Collection.objects.create(name="Door", embedder=version)
    address = f"/api/v1/models/{version.pk}/evaluated-curve"
    for method in (api.get, api.post):
        refusal(method(address), 409, "no_evaluated_curve")
    vectors = vectors_of(people_needed(), noise=0.3)
    own_models.model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    told = good(api.get(address))
    assert told["source"] == "tests"
    (effect,) = told["collections"]
    assert (effect["collection"], effect["name"], effect["now"]) == (str(mine.pk), "Door", None)
    answer = good(api.post(address))
    assert not answer["has_evaluated_curve"]
    assert [curve["pairs"] for curve in answer["curves"]] == [told["pairs"]]
    in_force = good(api.get(f"/api/v1/collections/{mine.pk}"))["in_force"]
    assert in_force["threshold"] == pytest.approx(effect["then"], abs=1e-4)
    refusal(with_key(Scope.MANAGE, collection=other).get(address), 404, "not_found")
