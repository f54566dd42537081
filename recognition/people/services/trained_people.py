"""The people a model was trained on: who they may be, the list of them, and its traces."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import F, QuerySet

from recognition.people.models import Collection, ModelVersion, Person, TrainedPerson
from recognition.people.traces import Traced

# Consent to recognition that is not recorded is no consent to training.
MAY_BE_TRAINED_ON = (Person.Consent.GIVEN,)


def people_to_train_on(collection: Collection) -> QuerySet[Person]:
    return collection.persons.filter(is_active=True, consent__in=MAY_BE_TRAINED_ON)


def trained_people_put(version: ModelVersion, people: Iterable[UUID]) -> None:
    """Within the transaction that makes the model."""
    rows = [TrainedPerson(model=version, person_id=person) for person in people]
    TrainedPerson.objects.bulk_create(rows)


def trained_forget(collection: Collection, person: Person) -> Traced:
    """Nobody can be taken out of a network: the models of the person are marked."""
    rows = TrainedPerson.objects.filter(person=person)
    models = ModelVersion.objects.filter(pk__in=list(rows.values_list("model", flat=True)))
    marked = models.update(people_gone=F("people_gone") + 1)
    rows.delete()
    return Traced({"trained_models": marked})


def trained_move(collection: Collection, source: Person, target: Person) -> Traced:
    """Both are one person, who stays in the list."""
    rows = TrainedPerson.objects.filter(person=source)
    known = TrainedPerson.objects.filter(person=target).values_list("model", flat=True)
    rows.filter(model__in=list(known)).delete()
    return Traced({"trained_models": rows.update(person=target)})
