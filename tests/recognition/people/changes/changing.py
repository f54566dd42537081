"""Steps of a model change in tests."""

from __future__ import annotations

from recognition.people.models import Collection, ModelChange, ModelVersion, Template
from recognition.people.services.identification import IdentifiedFace, identify
from recognition.people.services.model_changes import model_change_start
from tests.factories import ACTOR
from tests.fakes import photo
from tests.recognition.jobs.runs import run_jobs


def now(collection: Collection) -> Collection:
    return Collection.objects.select_related("embedder", "candidate").get(pk=collection.pk)


def begun(collection: Collection, model: ModelVersion) -> ModelChange:
    """A change whose job has run: it is ready."""
    change = model_change_start(collection=collection, model=model, actor=ACTOR)
    run_jobs()
    change.refresh_from_db()
    return change


def seen(collection: Collection, number: int) -> IdentifiedFace:
    """What is said about another photo of person `number`."""
    row = now(collection)
    result = identify(collection=row, data=photo(number, looks=5), actor=ACTOR)
    assert result.model == row.embedder.version
    return result.faces[0]


def models_of_templates() -> set[int]:
    return set(Template.objects.values_list("model", flat=True))
