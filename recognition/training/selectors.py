"""Reads of training runs, limited to what a caller may see."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.access import Access
from recognition.training.models import TrainingRun
from recognition.web.visible import limited, one


def training_runs_list(access: Access) -> QuerySet[TrainingRun]:
    rows = TrainingRun.objects.select_related("collection", "camera", "job", "model")
    return limited(rows, access)


def training_run_by_id(access: Access, run_id: UUID) -> TrainingRun:
    return one(training_runs_list(access), run_id, "training run")
