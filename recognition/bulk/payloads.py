"""Imports and exports as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.bulk.selectors import outcome_counts_of
from recognition.jobs.payloads import JobPayload, job_payload
from recognition.people.models import Person
from recognition.web.numbers import rounded, utc_text
from recognition.web.payloads import PersonReference


class ImportPayload(TypedDict):
    """received: bytes that have arrived, out of `size`. outcomes: number of photos by outcome."""

    id: str
    collection: str
    name: str
    state: str
    size: int | None
    received: int | None
    outcomes: dict[str, int]
    job: JobPayload | None
    created_by: str
    created_at: str
    ended_at: str | None


class ImportItemPayload(TypedDict):
    number: int
    file: str
    state: str
    code: str
    message: str
    quality: float | None
    person: PersonReference | None
    image: str | None
    may_be_overruled: bool


class ExportPayload(TypedDict):
    id: str
    collection: str
    has_originals: bool
    is_complete: bool
    size: int | None
    job: JobPayload | None
    created_by: str
    created_at: str


def import_payload(run: ImportRun) -> ImportPayload:
    return import_payloads([run])[0]


def import_payloads(runs: Sequence[ImportRun]) -> list[ImportPayload]:
    outcomes = outcome_counts_of(runs)
    return [_import(run, outcomes[run.pk]) for run in runs]


def _import(run: ImportRun, outcomes: dict[str, int]) -> ImportPayload:
    return {
        "id": str(run.pk),
        "collection": str(run.collection_id),
        "name": run.name,
        "state": run.state,
        "size": run.archive.size if run.archive else None,
        "received": run.archive.received if run.archive else None,
        "outcomes": outcomes,
        "job": job_payload(run.job) if run.job else None,
        "created_by": run.created_by,
        "created_at": utc_text(run.created_at),
        "ended_at": utc_text(run.ended_at) if run.ended_at else None,
    }


def item_payload(item: ImportItem) -> ImportItemPayload:
    return {
        "number": item.number,
        "file": item.path,
        "state": item.state,
        "code": item.code,
        "message": item.message,
        "quality": rounded(item.quality),
        "person": _person(item.person) if item.person else None,
        "image": str(item.image_id) if item.image_id else None,
        "may_be_overruled": item.may_be_overruled,
    }


def _person(person: Person) -> PersonReference:
    return {
        "id": str(person.pk),
        "name": person.name,
        "labels": list(person.labels),
        "external_id": person.external_id,
    }


def export_payload(export: Export) -> ExportPayload:
    is_here = export.is_complete and export.archive is not None
    return {
        "id": str(export.pk),
        "collection": str(export.collection_id),
        "has_originals": export.has_originals,
        "is_complete": is_here,
        "size": export.archive.size if export.archive and is_here else None,
        "job": job_payload(export.job) if export.job else None,
        "created_by": export.created_by,
        "created_at": utc_text(export.created_at),
    }
