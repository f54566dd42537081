"""The data about jobs in notices."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from recognition.jobs.models import Job
from recognition.notices.payloads import JobData


def jobs_data(ids: Sequence[UUID]) -> dict[UUID, JobData]:
    """The data of the jobs that still exist. Results and messages are left out because they may
    name people."""
    return {
        row.pk: {
            "id": str(row.pk),
            "collection": str(row.collection_id) if row.collection_id else None,
            "kind": row.kind,
            "state": row.state,
            "error_code": row.error_code,
        }
        for row in Job.objects.filter(pk__in=ids)
    }
