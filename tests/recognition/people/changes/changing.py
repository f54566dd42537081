"""Steps of a model change in tests."""

from __future__ import annotations

from typing import Any

import pytest

from recognition.events.models import Event
from recognition.people.models import Collection, ModelChange, ModelVersion, Person, Template
from recognition.people.services.identification import IdentifiedFace, identify
from recognition.people.services.model_changes import model_change_start
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, make_event
from tests.fakes import photo, portrait
from tests.recognition.jobs.runs import run_jobs
from tests.versioned_models import VersionedEngine


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


def visit(engine: VersionedEngine, collection: Collection, person: Person, number: int) -> Event:
    """A visit as a stream with the collection's model stored it, with the photo of `seen`."""
    event = make_event(person=person, number=number, face_jpeg=photo(number, looks=5))
    version = collection.embedder.version
    ((face,),) = engine.analyze([portrait(number, looks=5)], embedder=version)
    assert face.embedding is not None
    packed = Template.pack(face.embedding)
    Event.objects.filter(pk=event.pk).update(vector=packed, model=collection.embedder)
    return Event.objects.get(pk=event.pk)


def refused(code: str, act: Any, **options: Any) -> ServiceError:
    with pytest.raises(ServiceError) as error:
        act(actor=ACTOR, **options)
    assert (error.value.code, error.value.status) == (code, 409), error.value.message
    return error.value
