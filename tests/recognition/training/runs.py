"""Training runs for tests: start one, and do something at a moment of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recognition.cameras.models import Camera
from recognition.jobs.models import Job
from recognition.people.models import Collection, ModelVersion, TrainedPerson
from recognition.training.models import TrainingRun
from recognition.training.services import running
from recognition.training.services.faces import LEAST_CAMERA_FACES
from recognition.training.services.runs import (
    training_run_start,
)
from tests.factories import ACTOR, make_camera, make_event
from tests.recognition.jobs.runs import run_jobs


def start(collection: Collection, **values: Any) -> TrainingRun:
    options = {"others": 2} | values.pop("options", {})
    fields: dict[str, Any] = {"task": "train", "name": "ours", "collection": collection} | values
    return training_run_start(actor=ACTOR, options=options, **fields)


def during(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Do something after the progress of this step was stored, once."""
    store = running._store
    is_done: list[bool] = []

    def stored(attempt: Any, progress: Any) -> None:
        store(attempt, progress)
        if progress["step"] == step and not is_done:
            is_done.append(True)
            act()

    monkeypatch.setattr(running, "_store", stored)


def job_of(run: TrainingRun) -> Job:
    run.refresh_from_db()
    assert run.job is not None
    return run.job


def again_now() -> None:
    """The waiting job, at once."""
    Job.objects.update(run_after="2020-01-01T00:00:00Z")
    run_jobs()


def before_adding(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something when a model was trained and is not checked yet, once."""
    add, acts = running.model_add, [act]

    def added(**values: Any) -> ModelVersion:
        if acts:
            acts.pop()()
        return add(**values)

    monkeypatch.setattr(running, "model_add", added)


def people_of(version: ModelVersion | None) -> set[Any]:
    return set(TrainedPerson.objects.filter(model=version).values_list("person", flat=True))


def seeing_camera(collection: Collection) -> Camera:
    """A camera that kept enough faces for a fit."""
    camera = make_camera(collection)
    for number in range(LEAST_CAMERA_FACES):
        make_event(collection, camera=camera, number=number)
    return camera
