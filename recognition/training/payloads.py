"""Training runs as JSON."""

from __future__ import annotations

from typing import TypedDict

from recognition.jobs.payloads import JobPayload, job_payload
from recognition.training.models import TrainingRun
from recognition.web.boundaries import JsonDict
from recognition.web.numbers import utc_text


class TrainingRunPayload(TypedDict):
    """steps: 0 until they are known. model: `name@hash`."""

    id: str
    task: str
    name: str
    licence: str
    collection: str | None
    folder: str
    camera: str | None
    settings: JsonDict
    state: str
    message: str
    people: int
    pictures: int
    step: int
    steps: int
    model: str | None
    model_id: int | None
    job: JobPayload | None
    created_by: str
    created_at: str
    ended_at: str | None


class TrainingRunDetail(TrainingRunPayload):
    curve: list[JsonDict]
    figures: JsonDict
    record: JsonDict


def training_run_payload(run: TrainingRun) -> TrainingRunPayload:
    return {
        "id": str(run.pk),
        "task": run.task,
        "name": run.name,
        "licence": run.licence,
        "collection": str(run.collection_id) if run.collection_id else None,
        "folder": run.folder,
        "camera": str(run.camera_id) if run.camera_id else None,
        "settings": run.settings,
        "state": run.state_now,
        "message": run.message,
        "people": run.people,
        "pictures": run.pictures,
        "step": run.step,
        "steps": run.steps,
        "model": run.model.version if run.model else None,
        "model_id": run.model_id,
        "job": job_payload(run.job) if run.job else None,
        "created_by": run.created_by,
        "created_at": utc_text(run.created_at),
        "ended_at": utc_text(run.ended_at) if run.ended_at else None,
    }


def training_run_detail(run: TrainingRun) -> TrainingRunDetail:
    return {
        **training_run_payload(run),
        "curve": run.curve,
        "figures": run.figures,
        "record": run.record,
    }
