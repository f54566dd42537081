"""Jobs over REST."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.access import Role, Scope
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller, signed_in, with_key
from tests.factories import ACTOR, make_collection
from tests.recognition.jobs.runs import run_jobs

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs"


@pytest.fixture
def job(collection: Collection) -> Job:
    return job_start(kind="measure", collection=collection.pk, actor=ACTOR)


def ids(answer: Any) -> list[str]:
    return [job["id"] for job in good(answer)["results"]]


def test_job_is_read_with_its_log_and_listed_without(api: Caller, job: Job) -> None:
    run_jobs()
    body = good(api.get(f"{JOBS}/{job.pk}"))
    assert (body["kind"], body["title"]) == ("measure", "Measure a collection")
    assert (body["state"], body["error"]["code"]) == ("failed", "too_few_people")
    assert (body["attempts"], body["max_attempts"]) == (1, 3)
    assert body["created_by"] == "user:tester"
    assert "Attempt 1 of 3" in body["log"]
    assert body["parameters"] == {}
    assert body["ended_at"].endswith("Z")
    listed = good(api.get(JOBS))["results"][0]
    assert listed == {n: value for n, value in body.items() if n not in ("log", "parameters")}


def test_jobs_are_filtered_and_listed_newest_first(
    api: Caller, collection: Collection, job: Job
) -> None:
    upkeep = job_start(kind="upkeep", actor=ACTOR)
    other = job_start(kind="measure", collection=make_collection().pk, actor=ACTOR)
    assert ids(api.get(JOBS)) == [str(other.pk), str(upkeep.pk), str(job.pk)]
    assert ids(api.get(JOBS, {"kind": "upkeep"})) == [str(upkeep.pk)]
    assert ids(api.get(JOBS, {"collection": collection.pk})) == [str(job.pk)]
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    assert ids(api.get(JOBS, {"state": "done"})) == [str(job.pk)]
    page = good(api.get(JOBS, {"page_size": 2}))
    assert len(page["results"]) == 2
    assert ids(api.get(page["next"])) == [str(job.pk)]


def test_jobs_refuse_unknown_filter_values(api: Caller) -> None:
    for query in ({"kind": "nonsense"}, {"state": "lost"}, {"collection": "x"}):
        refusal(api.get(JOBS, query), 400, "validation_error")


def test_job_that_waits_is_cancelled_at_once(api: Caller, job: Job) -> None:
    body = good(api.post(f"{JOBS}/{job.pk}/cancel"))
    assert (body["state"], body["cancel_requested"]) == ("cancelled", False)
    refusal(api.post(f"{JOBS}/{job.pk}/cancel"), 409, "job_ended")


def test_cancel_of_a_running_job_is_passed_on(api: Caller, job: Job) -> None:
    Job.objects.update(state=Job.State.RUNNING, started_at=timezone.now())
    body = good(api.post(f"{JOBS}/{job.pk}/cancel"))
    assert (body["state"], body["cancel_requested"]) == ("running", True)


def test_unknown_job_is_not_found(api: Caller) -> None:
    refusal(api.get(f"{JOBS}/{uuid4()}"), 404, "not_found")
    refusal(api.post(f"{JOBS}/{uuid4()}/cancel"), 404, "not_found")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_jobs_of_forbidden_kinds_are_hidden(role: str, job: Job) -> None:
    caller = signed_in(role)
    assert ids(caller.get(JOBS)) == []
    refusal(caller.get(f"{JOBS}/{job.pk}"), 404, "not_found")
    refusal(caller.post(f"{JOBS}/{job.pk}/cancel"), 404, "not_found")


def test_key_needs_the_scope_of_the_kind(job: Job) -> None:
    assert ids(with_key(Scope.ENROL, Scope.IDENTIFY).get(JOBS)) == []
    assert ids(with_key(Scope.MANAGE).get(JOBS)) == [str(job.pk)]
    refusal(Caller().get(JOBS), 401, "not_authenticated")


def test_key_of_a_collection_sees_the_jobs_of_that_one(collection: Collection, job: Job) -> None:
    job_start(kind="upkeep", actor=ACTOR)
    other = job_start(kind="measure", collection=make_collection().pk, actor=ACTOR)
    limited = with_key(Scope.MANAGE, collection=collection)
    assert ids(limited.get(JOBS)) == [str(job.pk)]
    refusal(limited.get(f"{JOBS}/{other.pk}"), 404, "not_found")
    refusal(limited.post(f"{JOBS}/{other.pk}/cancel"), 404, "not_found")
    good(limited.post(f"{JOBS}/{job.pk}/cancel"))
