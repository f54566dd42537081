"""All data stored about a person, in one table that erase and merge go through.

A test fails for a field of any model that may describe a person and is in neither `TRACES` nor
`EXEMPT`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from django.utils.module_loading import import_string

from recognition.people.models import Collection, Person


@dataclass(frozen=True, slots=True)
class Traced:
    """The effect of one trace. counts: numbers of rows by name, for the answer and the audit log.
    files: to be removed after the commit."""

    counts: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """Fields that describe a person, as `app.Model.field`, and dotted names of two functions.

    forget: called with the collection and the person. move: called with the collection, the person
    that goes and the person that remains; None if nothing moves and the first one is forgotten.
    Both run in the transaction that has locked the collection and the people.
    """

    fields: tuple[str, ...]
    forget: str
    move: str | None = None


# Snapshots of galleries are not here: they are overwritten after the commit (`snapshots_follow`).
# The order matters: events refer to images, and imports look for their hashes: so they come first.
TRACES: dict[str, Trace] = {
    "events": Trace(
        fields=(
            "events.Event.person",
            "events.Event.snapshot",
            "events.Event.box",
            "events.Event.face",
            "events.Clip.file",
            "events.Event.vector",
            "events.EventVector.vector",
        ),
        forget="recognition.events.services.traces.events_forget",
        move="recognition.events.services.traces.events_move",
    ),
    "negatives": Trace(
        fields=("people.Negative.person", "people.Negative.vector"),
        forget="recognition.people.services.negatives.negatives_forget",
        move="recognition.people.services.negatives.negatives_move",
    ),
    "lookalikes": Trace(
        fields=("people.Lookalike.first", "people.Lookalike.second"),
        forget="recognition.people.services.lookalikes.lookalikes_forget",
        move="recognition.people.services.lookalikes.lookalikes_move",
    ),
    "imports": Trace(
        fields=(
            "bulk.ImportItem.person",
            "bulk.ImportItem.who",
            "bulk.ImportItem.picture",
            # Archives of imports end with their job or in the sweep; exports are deleted at once.
            "bulk.Piece.file",
        ),
        forget="recognition.bulk.services.traces.imports_forget",
        move="recognition.bulk.services.traces.imports_move",
    ),
    "images": Trace(
        fields=(
            "people.FaceImage.person",
            "people.FaceImage.file",
            "people.FaceImage.original",
            "people.FaceImage.box",
            "people.FaceImage.landmarks",
            "people.FaceImage.quality_parts",
            "people.Template.vector",
        ),
        forget="recognition.people.services.person_images.images_forget",
        move="recognition.people.services.person_images.images_move",
    ),
    "recordings": Trace(
        fields=("events.Recording.archive",),
        forget="recognition.events.services.recordings.recordings_forget",
        move="recognition.events.services.recordings.recordings_move",
    ),
    "trained_models": Trace(
        fields=("people.TrainedPerson.person",),
        forget="recognition.people.services.trained_people.trained_forget",
        move="recognition.people.services.trained_people.trained_move",
    ),
    "decider": Trace(
        fields=("people.TrainedDecider.arrays",),
        forget="recognition.people.services.deciders.decider_forget_person",
    ),
    "calibration": Trace(
        fields=("people.Calibration.figures",),
        forget="recognition.people.services.calibration.calibration_forget",
    ),
    "replies": Trace(
        fields=("web.IdempotencyRecord.person_id", "web.IdempotencyRecord.body"),
        forget="recognition.people.services.person_images.replies_forget",
    ),
}

# Fields that do not describe a person, or are deleted with the person's row, with the reason.
EXEMPT: dict[str, str] = {
    "people.Person.metadata": "deleted with the person's row",
    "people.Person.labels": "deleted with the person's row",
    "people.Calibration.impostor_curve": "rates of pairs, without people",
    "people.ModelChange.figures": "counts of people",
    "people.ModelVersion.figures": "figures of a network",
    "people.ModelVersion.report": "operations and vectors of a network",
    "people.ModelVersion.impostor_curves": "rates, means and deviations over many people",
    "people.ModelVersion.evaluated_curves": "rates, means and deviations over many people",
    "cameras.CameraHub.strangers": "names of machines that send pictures, and counts",
    "cameras.Camera.areas": "parts of a picture, without people",
    "cameras.CameraMinute.timing_ms": "times of stages",
    "bulk.ImportRun.erased": "keyed hashes, kept until the import is over",
    "bulk.ImportItem.places": "places in an archive",
    "training.TrainingRun.settings": "options; its pictures are in no file, see `FaceFile`",
    "training.TrainingRun.curve": "figures of a network",
    "training.TrainingRun.figures": "figures of a network and of a camera's pictures",
    "training.TrainingRun.record": "hashes and versions",
    "jobs.Job.parameters": "ids of collections and options; no kind of job takes people",
    "jobs.Job.result": "counts",
    "notices.Notice.related": "only ids; deleted after a day, or after the delivery",
    "notices.Webhook.kinds": "kinds of notices",
    "accounts.ApiKey.scopes": "rights of a program",
    "accounts.AuditEntry.details": "ids and counts; entries stay after their targets are deleted",
}

# Functions that delete a collection's rows in other apps. They get the locked collection.
OF_COLLECTION: tuple[str, ...] = (
    "recognition.events.services.events.events_of_collection_delete",
    "recognition.events.services.recordings.recordings_of_collection_delete",
    "recognition.bulk.services.imports.imports_of_collection_delete",
    "recognition.people.index.snapshots.snapshots_of_collection_delete",
)

Forget = Callable[[Collection, Person], Traced]
Move = Callable[[Collection, Person, Person], Traced]


def forget_all(collection: Collection, person: Person) -> Traced:
    """Delete all data of a person except the row itself."""
    return _sum([_forget(trace)(collection, person) for trace in TRACES.values()])


def move_all(collection: Collection, source: Person, target: Person) -> Traced:
    """Move all data of `source` to `target`, or delete them."""
    return _sum([_move(trace, collection, source, target) for trace in TRACES.values()])


def forget_collection(collection: Collection) -> None:
    """Called in the transaction that has locked the collection and deletes it."""
    for name in OF_COLLECTION:
        import_string(name)(collection)


def _move(trace: Trace, collection: Collection, source: Person, target: Person) -> Traced:
    if trace.move is None:
        return _forget(trace)(collection, source)
    return cast("Move", import_string(trace.move))(collection, source, target)


def _forget(trace: Trace) -> Forget:
    return cast("Forget", import_string(trace.forget))


def _sum(parts: list[Traced]) -> Traced:
    counts = {name: count for part in parts for name, count in part.counts.items()}
    return Traced(counts, tuple(name for part in parts for name in part.files))
