"""Training runs over REST."""

from __future__ import annotations

import pytest

from recognition.people.models import Collection, Person
from recognition.training.models import TrainingRun
from tests.callers import Caller, with_key
from tests.factories import make_collection, make_training_run
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.training.conftest import SetChild

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/training-runs"


def test_run_is_started_followed_and_gives_a_model(
    api: Caller, collection: Collection, set_child: SetChild
) -> None:
    body = {"task": "train", "name": "ours", "collection": str(collection.pk), "others": 2,
            "network": "cnn", "is_grey": False}  # fmt: skip
    started = api.post(RUNS, body)
    assert started.status_code == 202, started.content
    told = started.json()
    assert (told["state"], told["settings"]["network"]) == ("open", "cnn")
    assert told["settings"]["is_grey"] is False
    run_jobs()
    done = api.get(f"{RUNS}/{told['id']}").json()
    assert (done["state"], done["step"], len(done["curve"])) == ("done", 3, 3)
    models = {row["version"]: row for row in api.get("/api/v1/models").json()["results"]}
    assert models[done["model"]]["id"] == done["model_id"]
    assert models[done["model"]]["people_gone"] == 0
    (listed,) = api.get(RUNS).json()["results"]
    assert listed == {name: value for name, value in done.items() if name in listed}


def test_run_is_cancelled_once(api: Caller, collection: Collection) -> None:
    body = {"task": "train", "name": "ours", "collection": str(collection.pk), "others": 2}
    run = api.post(RUNS, body).json()
    kept = api.post(f"{RUNS}/{run['id']}/cancel", {"keep_best": True})
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "nothing_to_keep")
    cancelled = api.post(f"{RUNS}/{run['id']}/cancel", {})
    assert cancelled.json()["state"] == "cancelled"
    again = api.post(f"{RUNS}/{run['id']}/cancel", {})
    assert again.json()["error"]["code"] == "job_ended"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"network": "unknown"}, "validation_error"),
        ({"epochs": 0}, "validation_error"),
        ({"colour": 3}, "unknown_field"),
        ({"blend": 0.5}, "bad_setting"),
        ({"name": "mobilefacenet"}, "bad_name"),
        ({"camera": "0" * 32}, "not_found"),
    ],
)
def test_run_with_a_wrong_option_is_refused(
    api: Caller, collection: Collection, values: dict[str, object], code: str
) -> None:
    body = {"task": "train", "name": "ours", "collection": str(collection.pk), "others": 2}
    answer = api.post(RUNS, body | values)
    assert answer.json()["error"]["code"] == code
    assert not TrainingRun.objects.exists()


def test_key_of_one_collection_sees_its_runs_and_starts_none(
    collection: Collection, crowd: list[Person]
) -> None:
    run, other = make_training_run(collection), make_training_run(make_collection())
    key = with_key(collection=collection)
    assert [row["id"] for row in key.get(RUNS).json()["results"]] == [str(run.pk)]
    assert key.get(f"{RUNS}/{other.pk}").status_code == 404
    assert key.post(RUNS, {"task": "train", "name": "ours"}).status_code == 403
