"""The job of a training run: an adaptation needs the faces that a camera kept."""

from __future__ import annotations

from collections.abc import Iterator

from recognition.events.models import Event
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.training.models import TrainingRun
from recognition.training.services.running import run_training
from recognition.web.errors import not_found

_MOST_FACES = 200


def training_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job kind `training`. An attempt goes on from the last checkpoint."""
    return run_training(context, str(parameters["training"]), camera_faces)


def camera_faces(run: TrainingRun) -> Iterator[bytes]:
    """Encoded faces of the newest visits before the run. Only their sharpness and noise are used,
    so it does not matter whose they are."""
    if run.camera_id is None:
        raise not_found("camera")
    events = Event.objects.filter(camera=run.camera_id, pk__lte=run.pk).exclude(face="")
    for event in events.order_by("-pk")[:_MOST_FACES]:
        try:
            with event.face.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            continue
        yield content
