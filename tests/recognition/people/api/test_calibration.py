"""Collections are measured on their own people, and trained, over REST."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any
from uuid import uuid4

import pytest

from recognition.jobs.models import Job
from recognition.people.models import Collection, Person
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import add_people, enrol, make_calibration, make_person
from tests.ml_engine.vectors import people
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def address(collection: Collection, rest: str = "") -> str:
    return f"/api/v1/collections/{collection.pk}{rest}"


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """A hundred people with two pictures each."""
    add_people(collection, *people(100, 2, 192, spread=0.4))
    return collection


def run(api: Caller, address: str) -> Any:
    """Start a job by POST, run it, and read it again."""
    job = good(api.post(address), 202)
    assert (job["state"], job["progress"]) == ("queued", 0)
    assert good(api.post(address), 202)["id"] == job["id"], "one at a time"
    assert run_jobs() == 1
    return good(api.get(f"/api/v1/jobs/{job['id']}"))


def test_measured_rates_of_a_collection_are_read(api: Caller, filled: Collection) -> None:
    refusal(api.get(address(filled, "/calibration")), 404, "not_found")
    job = run(api, address(filled, "/calibrate"))
    assert (job["kind"], job["collection"], job["state"]) == ("measure", str(filled.pk), "done")
    assert job["result"] == {"people": 100, "templates": 200}
    body = good(api.get(address(filled, "/calibration")))
    assert (body["persons"], body["templates"]) == (100, 200)
    assert (body["persons_enrolled"], body["templates_enrolled"]) == (100, 200)
    assert (body["is_current"], body["is_in_force"]) == (True, False)
    assert [point["fmr"] for point in body["points"]] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert body["own_threshold"] != body["model_threshold"]
    run(api, address(filled, "/calibrate"))
    again = good(api.get(address(filled, "/calibration")))
    assert again | {"measured_at": ""} == body | {"measured_at": ""}


def test_own_curve_is_put_in_force_after_measuring(api: Caller, filled: Collection) -> None:
    wanted = {"uses_own_curve": True}
    refusal(api.patch(address(filled), wanted), 409, "not_calibrated")
    run(api, address(filled, "/calibrate"))
    body = good(api.get(address(filled, "/calibration")))
    in_force = good(api.patch(address(filled), wanted))["in_force"]
    assert in_force["curve"] == "own"
    assert in_force["threshold"] == body["own_threshold"]
    assert good(api.get(address(filled, "/calibration")))["is_in_force"]
    looser = good(api.patch(address(filled), {"target_false_positive_rate": 0.1}))["in_force"]
    assert looser["threshold"] < in_force["threshold"]


def test_measuring_too_few_people_is_refused(api: Caller, person: Person) -> None:
    enrol(person, 1)
    error = refusal(api.post(address(person.collection, "/calibrate")), 409, "too_few_people")
    assert error["details"]["people"] == 1
    assert error["details"]["needed"] > 50


def test_similar_pairs_are_read_with_names(
    api: Caller, collection: Collection, person: Person
) -> None:
    other = make_person(collection, name="Ann again", external_id="a-2")
    pair = {"people": [str(person.pk), str(other.pk)], "similarity": 0.91, "is_left_out": True}
    make_calibration(collection, similar_pairs=[pair], similar_pairs_total=1)
    body = good(api.get(address(collection, "/calibration")))
    names = [(who["name"], who["external_id"]) for who in body["similar_pairs"][0]["persons"]]
    assert names == [("Ann Example", None), ("Ann again", "a-2")]
    good(api.delete(f"/api/v1/persons/{other.pk}"), 204)
    assert good(api.get(address(collection, "/calibration")))["similar_pairs"] == []


@pytest.mark.parametrize("curve", ["det", "discard"])
def test_curve_is_served_as_a_picture(api: Caller, collection: Collection, curve: str) -> None:
    url = address(collection, f"/calibration/{curve}.svg")
    refusal(api.get(url), 404, "not_found")
    calibration = make_calibration(collection)
    light, dark = api.get(url), api.get(f"{url}?theme=dark")
    for answer in (light, dark):
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
        assert answer["Cache-Control"] == "private, no-store"
        assert ElementTree.fromstring(answer.content).tag.endswith("svg")
    assert light.content != dark.content
    refusal(api.get(f"{url}?theme=grey"), 400, "validation_error")
    calibration.figures[curve] = []
    calibration.save()
    refusal(api.get(url), 404, "not_found")


def test_measurement_tells_what_deciders_and_quality_are_worth(
    api: Caller, filled: Collection
) -> None:
    run(api, address(filled, "/calibrate"))
    body = good(api.get(address(filled, "/calibration")))
    assert [each["name"] for each in body["deciders"]] == ["nearest", "mean", "vote", "svm"]
    assert not body["deciders"][0]["is_better"]
    assert body["discard"][0]["discarded"] == 0
    assert body["discard_fmr"] == 0.01


def test_trained_svm_comes_into_force(api: Caller, filled: Collection) -> None:
    in_force = good(api.patch(address(filled), {"decider": "svm"}))["in_force"]
    assert in_force["decider"] == "nearest"
    body = good(api.get(address(filled, "/decider")))
    assert (body["trained_at"], body["people"], body["people_since"]) == (None, 0, 100)
    assert run(api, address(filled, "/train"))["result"] == {"people": 100, "templates": 200}
    body = good(api.get(address(filled, "/decider")))
    assert (body["people"], body["templates"], body["people_since"]) == (100, 200, 0)
    assert body["is_current"]
    assert good(api.get(address(filled)))["in_force"]["decider"] == "svm"


def test_training_too_few_people_is_refused(api: Caller, person: Person) -> None:
    enrol(person, 1)
    refusal(api.post(address(person.collection, "/train")), 409, "too_few_people")
    assert not Job.objects.exists()


def test_people_erased_before_the_job_runs_are_too_few(api: Caller, filled: Collection) -> None:
    job = good(api.post(address(filled, "/train")), 202)
    Person.objects.update(is_active=False)
    run_jobs()
    ended = good(api.get(f"/api/v1/jobs/{job['id']}"))
    assert (ended["state"], ended["error"]["code"]) == ("failed", "too_few_people")


def test_job_of_a_collection_deleted_meanwhile_fails_with_a_reason(
    api: Caller, filled: Collection
) -> None:
    job = good(api.post(address(filled, "/calibrate")), 202)
    Job.objects.update(collection_id=uuid4())
    run_jobs()
    assert good(api.get(f"/api/v1/jobs/{job['id']}"))["error"]["code"] == "not_found"
