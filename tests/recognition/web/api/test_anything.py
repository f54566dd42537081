"""Whatever the document allows, and much that it does not: never a failure of the server, and
always an answer as the document says (see `tests.callers.Caller`)."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from schemathesis.core import NotSet

from recognition.jobs.services import job_start
from recognition.people.models import Person
from tests import contract
from tests.callers import Caller, with_key
from tests.factories import (
    ACTOR,
    enrol,
    make_camera,
    make_event,
    make_person,
    make_recording,
    make_training_run,
)
from tests.recognition.bulk.rows import make_export, make_refused_item
from tests.recognition.notices.rows import make_webhook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def _operations() -> dict[str, Any]:
    """All operations, by their ids."""
    document = copy.deepcopy(contract.document())
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    operations = [result.ok() for result in found]
    return {operation.definition.raw["operationId"]: operation for operation in operations}


def _by_resource(operations: dict[str, Any]) -> dict[str, list[Any]]:
    """The operations by the first part of their path, because rows for each one take too long."""
    found: dict[str, list[Any]] = defaultdict(list)
    for operation in operations.values():
        found[operation.path.split("/")[3]].append(operation)
    return found


_OPERATIONS = _by_resource(_operations())
# The code is the same on every database, and only a few inputs get as far as to it.
_EXAMPLES = 8 if connection.vendor == "sqlite" else 4


@pytest.fixture
def ids(person: Person) -> dict[str, str]:
    rows = {
        "person_id": person,
        "image_id": enrol(person, 1)[0],
        "event_id": make_event(person=person),
        "other_id": make_person(person.collection),
        "camera_id": make_camera(person.collection),
        "collection_id": person.collection,
        "webhook_id": make_webhook(),
        "job_id": job_start(kind="measure", actor=ACTOR),
        "import_id": make_refused_item(person.collection).run,
        "export_id": make_export(person.collection),
        "run_id": make_training_run(person.collection),
        "recording_id": make_recording(person.collection),
        "model_id": person.collection.embedder,
    }
    ids = {name: str(row.pk) for name, row in rows.items()}
    return ids | {"key_id": "0" * 32, "number": "0"}


@pytest.mark.parametrize("resource", _OPERATIONS)
def test_any_input_to_an_operation_is_answered(ids: dict[str, str], resource: str) -> None:
    caller = with_key()
    for operation in _OPERATIONS[resource]:
        _ask_anything(caller, operation, operation.path.format(**ids))


def _ask_anything(caller: Caller, operation: Any, path: str) -> None:
    @settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        query = urlencode(case.query or {}, doseq=True, errors="replace")
        is_json = case.media_type == "application/json" and not isinstance(case.body, NotSet)
        body = json.dumps(case.body).encode("ascii") if is_json else b"\xff\xd8 no picture"
        body = body if case.media_type else b""
        with transaction.atomic():
            caller.send(f"{path}?{query}", body, case.media_type or "", operation.method.upper())
            transaction.set_rollback(True)

    ask()
