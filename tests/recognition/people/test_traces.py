"""Each field that may hold data of a person is in the table of traces, or exempt with a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import models
from django.utils.module_loading import import_string

from recognition.people.models import Person
from recognition.people.traces import EXEMPT, OF_COLLECTION, TRACES

_OURS = ("recognition", "accounts")
# Kinds of fields that can hold a face, a name or an id of a person.
_TELLING = (models.JSONField, models.BinaryField, models.FileField)


def _telling_fields() -> Iterator[str]:
    for model in apps.get_models():
        if model.__module__.partition(".")[0] not in _OURS:
            continue
        for field in model._meta.concrete_fields:
            names_person = field.related_model is Person or field.name == "person_id"
            if names_person or isinstance(field, _TELLING):
                yield f"{model._meta.label}.{field.name}"


def test_every_telling_field_is_traced_or_exempt() -> None:
    known = {field for trace in TRACES.values() for field in trace.fields} | set(EXEMPT)
    assert set(_telling_fields()) - known == set()


def test_traced_and_exempt_fields_exist() -> None:
    known = [field for trace in TRACES.values() for field in trace.fields] + list(EXEMPT)
    for name in known:
        app, model, field = name.split(".")
        apps.get_model(app, model)._meta.get_field(field)
    assert len(known) == len(set(known)), "a field is named twice"


def test_trace_functions_of_a_collection_exist() -> None:
    assert all(callable(import_string(name)) for name in OF_COLLECTION)


@pytest.mark.parametrize("name", TRACES)
def test_functions_of_a_trace_exist(name: str) -> None:
    trace = TRACES[name]
    assert callable(import_string(trace.forget))
    assert trace.move is None or callable(import_string(trace.move))
