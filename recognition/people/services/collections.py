"""Collections: create, update, and delete while they are empty."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError

from accounts.audit import Actor, record
from recognition.people.index import forget_galleries
from recognition.people.model_versions import refuse_unusable
from recognition.people.models import Calibration, Collection, TrainedDecider
from recognition.people.rules import calibration_of
from recognition.people.services.locks import (
    lock_collection,
    refuse_named_by_cameras,
    refuse_open_change,
)
from recognition.people.traces import forget_collection
from recognition.web.boundaries import ColumnValues
from recognition.web.errors import ServiceError
from recognition.web.transactions import after_commit, in_transaction


def collection_create(*, actor: Actor, **values: Any) -> Collection:
    if values.get("uses_own_curve"):
        raise _not_calibrated()

    if "embedder" in values:
        refuse_unusable(values["embedder"])
    _check_candidate_rules(Collection(), values)

    def create() -> Collection:
        collection = Collection.objects.create(**values)
        record(actor, "collection.create", collection, collection_id=collection.pk)
        return collection

    try:
        return in_transaction(create)
    except IntegrityError as error:
        raise _name_taken() from error


def collection_update(*, collection: Collection, actor: Actor, **changes: Any) -> Collection:
    """Change a collection. 409 `embedder_in_use` if it has templates, as vectors of two models
    cannot be compared (see `model_changes`); `model_not_usable` if the new embedder was not
    evaluated; `not_calibrated` if the own curve is wanted and there is none; `no_second_model` for
    rules of a second model if there is none. A change of the embedder deletes the calibration and
    the trained SVM."""

    def update() -> Collection:
        row = lock_collection(collection.pk)
        embedder = changes.get("embedder", row.embedder)
        if embedder.pk != row.embedder_id and row.templates.exists():
            message = "The collection has templates: change its model by a model change."
            raise ServiceError("embedder_in_use", message, status=409)
        if embedder.pk != row.embedder_id:
            refuse_unusable(embedder)
            refuse_named_by_cameras(row, row.embedder)
        fields = dict(changes)
        if embedder.pk != row.embedder_id:
            refuse_open_change(row)
            Calibration.objects.filter(collection=row).delete()
            TrainedDecider.objects.filter(collection=row).delete()
            fields.setdefault("uses_own_curve", False)
        for name, value in fields.items():
            setattr(row, name, value)
        if fields.get("uses_own_curve") and calibration_of(row) is None:
            raise _not_calibrated()
        _check_candidate_rules(row, fields)
        row.save(update_fields=list(fields))
        record(actor, "collection.update", row, collection_id=row.pk, changed=sorted(changes))
        return row

    try:
        return in_transaction(update)
    except IntegrityError as error:
        raise _name_taken() from error


def collection_delete(*, collection: Collection, actor: Actor) -> None:
    """Delete the collection with its events and their pictures. 409 `collection_not_empty` if it
    has people or cameras."""

    def delete() -> None:
        row = lock_collection(collection.pk)
        if row.persons.exists() or row.cameras.exists():
            message = "Erase its people and remove its cameras first."
            raise ServiceError("collection_not_empty", message, status=409)
        forget_collection(row)
        record(actor, "collection.delete", row, collection_id=row.pk)
        row.delete()
        after_commit(lambda: forget_galleries(collection.pk))

    in_transaction(delete)


def _check_candidate_rules(collection: Collection, changes: ColumnValues) -> None:
    wants_curve = changes.get("candidate_own_curve", False)
    if not wants_curve and changes.get("candidate_threshold") is None:
        return
    if collection.candidate is None:
        message = "The collection has no second model."
        raise ServiceError("no_second_model", message, status=409)
    if wants_curve and calibration_of(collection.seen_by(collection.candidate)) is None:
        raise _not_calibrated()


def _not_calibrated() -> ServiceError:
    message = "The collection has to be measured on its own people first."
    return ServiceError("not_calibrated", message, status=409)


def _name_taken() -> ServiceError:
    message = "There is a collection of this name already."
    return ServiceError("name_taken", message, status=409)
