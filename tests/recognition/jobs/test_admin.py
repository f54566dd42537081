"""Jobs in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.models import Collection
from tests.factories import ACTOR
from tests.recognition.admin_pages import address, page, told
from tests.recognition.jobs.runs import run_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(collection: Collection) -> Job:
    return job_start(kind="measure", collection=collection.pk, actor=ACTOR)


def url(job: Job) -> str:
    return address("jobs_job_change", job.pk)


def do(client: Client, job: Job, what: str) -> str:
    """The message on the page after a button was pressed."""
    answer = client.post(url(job), {"do": what})
    assert answer.status_code == 302
    return told(answer)[-1]


def test_job_list_shows_progress(administrator: Client, job: Job) -> None:
    Job.objects.update(state=Job.State.RUNNING, progress=0.25, message="Comparing")
    text = page(administrator.get(address("jobs_job_changelist")))
    for said in ("Measure a collection", f'data-job="{job.pk}"', 'value="0.25', "Comparing"):
        assert said in text
    assert "jobs/job.js" in text


def test_job_list_is_filtered_by_kind(administrator: Client, job: Job) -> None:
    changelist = address("jobs_job_changelist")
    assert str(job.pk) in page(administrator.get(changelist, {"kind": "measure"}))
    assert str(job.pk) not in page(administrator.get(changelist, {"kind": "upkeep"}))


def test_job_page_shows_log_result_and_error(administrator: Client, job: Job) -> None:
    run_jobs()
    text = page(administrator.get(url(job)))
    for said in ("Failed", "too_few_people", "Attempt 1 of 3", "1 of 3, the last at", "Start it"):
        assert said in text
    assert 'value="cancel"' not in text
    Job.objects.update(state=Job.State.DONE, result={"people": 12})
    assert "Result: people" in page(administrator.get(url(job)))


def test_queued_job_is_cancelled_on_its_page(administrator: Client, job: Job) -> None:
    assert do(administrator, job, "cancel") == "The job is cancelled."
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert do(administrator, job, "cancel") == "The job has ended already."


def test_cancel_of_a_running_job_is_shown(administrator: Client, job: Job) -> None:
    Job.objects.update(state=Job.State.RUNNING)
    assert do(administrator, job, "cancel") == "It stops at its next step."
    text = page(administrator.get(url(job)))
    assert "The job is being cancelled" in text
    assert 'value="cancel"' not in text


def test_ended_job_is_started_again(administrator: Client, job: Job) -> None:
    run_jobs()
    answer = administrator.post(url(job), {"do": "retry"})
    again = Job.objects.exclude(pk=job.pk).get()
    assert answer["Location"] == url(again)
    assert (again.state, again.collection_id) == (Job.State.QUEUED, job.collection_id)
    assert again.created_by.startswith("user:administrator")


def test_periodic_job_that_waits_is_run_now(administrator: Client) -> None:
    job = job_start(kind="upkeep", actor=ACTOR)
    Job.objects.update(run_after=timezone.now() + timedelta(hours=1))
    assert 'value="now"' in page(administrator.get(url(job)))
    assert do(administrator, job, "now") == "It is due now."
    assert run_jobs() == 1


def test_unknown_action_on_a_job_is_refused(administrator: Client, job: Job) -> None:
    assert do(administrator, job, "nonsense") == "The form does not say what to do."
    assert administrator.get(address("jobs_job_change", "nonsense")).status_code == 404


def test_job_pages_are_for_administrators_only(viewer: Client, operator: Client, job: Job) -> None:
    for client in (viewer, operator):
        assert client.get(address("jobs_job_changelist")).status_code == 403
        assert client.get(url(job)).status_code in (403, 404)
        assert client.post(url(job), {"do": "cancel"}).status_code in (403, 404)
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED
