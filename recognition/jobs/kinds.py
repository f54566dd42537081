"""The kinds of jobs: a literal table. A new kind is one function and one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from django.utils.module_loading import import_string

from accounts.access import Scope
from recognition.web.errors import ServiceError

if TYPE_CHECKING:
    from recognition.jobs.context import JobContext

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]
Run: TypeAlias = "Callable[[JobContext, JsonObject], JsonObject]"


@dataclass(frozen=True, slots=True)
class Kind:
    """run: dotted name of a function `(context, parameters) -> result`. After a failure or a killed
    worker it runs again from the start, so repeating its steps must do no harm.

    scope: the scope needed to start, see and cancel such jobs.
    is_long: it may take hours. Such jobs run in a thread of their own, so that short jobs do not
    wait for them.
    is_apart: its work is done in a process of its own, for hours. Such jobs run in a third thread,
    so that an import does not wait for a training.
    is_single: each collection has at most one open job of this kind; starting another one returns
    the open one.
    max_attempts: includes attempts of killed workers. retry_after_s: doubled after each attempt.
    every: the site starts the next job of this kind this long after the end of the last one. Such a
    kind is single and has no collection.
    """

    run: str
    title: str
    scope: Scope = Scope.MANAGE
    is_long: bool = False
    is_apart: bool = False
    is_single: bool = False
    max_attempts: int = 3
    retry_after_s: float = 10.0
    every: timedelta | None = None

    def load(self) -> Run:
        """The function. It is imported at its first use, because only workers need it."""
        return import_string(self.run)


KINDS: dict[str, Kind] = {
    "upkeep": Kind(
        run="recognition.events.services.upkeep.upkeep_job",
        title="Upkeep",
        is_single=True,
        every=timedelta(hours=1),
    ),
    "measure": Kind(
        run="recognition.people.services.calibration.measure_job",
        title="Measure a collection",
        is_single=True,
    ),
    "train_decider": Kind(
        run="recognition.people.services.deciders.train_job",
        title="Train an SVM",
        is_single=True,
    ),
    "take_up_model": Kind(
        run="recognition.people.services.reembedding.take_up_model_job",
        title="Take up the installed model version",
        is_long=True,
        is_single=True,
    ),
    "evaluate_model": Kind(
        run="recognition.people.services.own_models.evaluate_job",
        title="Evaluate a model",
        is_long=True,
    ),
    # Each attempt continues after the last faces that the one before it stored.
    "model_change": Kind(
        run="recognition.events.services.model_change_job.model_change_job",
        title="Change a collection's model",
        is_long=True,
        is_single=True,
        max_attempts=20,
    ),
    # Each attempt continues after the last photo that the one before it finished.
    "import": Kind(
        run="recognition.bulk.services.running.import_job",
        title="Import",
        scope=Scope.ENROL,
        is_long=True,
        max_attempts=20,
    ),
    # Each attempt begins again, without what the last one found.
    "recording": Kind(
        run="recognition.live.recordings.recording_job",
        title="Analyse a recording",
        scope=Scope.ENROL,
        is_long=True,
        max_attempts=20,
    ),
    "convert_clip": Kind(
        run="recognition.events.services.clips.clip_job",
        title="Make a clip playable",
        scope=Scope.ENROL,
    ),
    # Each attempt goes on from the last checkpoint, if nobody left the collection.
    "training": Kind(
        run="recognition.events.services.training_job.training_job",
        title="Train or adapt a model",
        is_apart=True,
        max_attempts=10,
    ),
    "export": Kind(
        run="recognition.bulk.services.exports.export_job",
        title="Export a collection",
        is_long=True,
    ),
}


def kind_named(name: str) -> Kind:
    """The kind with this name. ServiceError 400 `unknown_kind` if there is none."""
    kind = KINDS.get(name)
    if kind is None:
        raise ServiceError("unknown_kind", f"There is no kind of job {name!r}.")
    return kind


def title_of(name: str) -> str:
    """The title of a kind, for pages; the name of a kind that this version no longer has."""
    return KINDS[name].title if name in KINDS else name
