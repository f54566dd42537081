"""Commits within tests, which are rolled back."""

from __future__ import annotations

import pytest
from django.db import transaction

from recognition.people.models import Collection
from recognition.people.services import collections as services
from recognition.people.services.collections import collection_delete
from recognition.web.transactions import after_commit
from tests.commits import FailedSteps, committed
from tests.factories import ACTOR, make_collection


@pytest.mark.django_db
def test_committed_block_runs_what_waits_at_its_end() -> None:
    done: list[str] = []
    with committed():
        with transaction.atomic():
            after_commit(lambda: done.append("step"))
        assert done == []
    assert done == ["step"]


@pytest.mark.django_db
def test_rolled_back_part_of_a_committed_block_runs_nothing() -> None:
    done: list[str] = []
    with committed(), pytest.raises(RuntimeError), transaction.atomic():
        after_commit(lambda: done.append("step"))
        raise RuntimeError
    assert done == []


@pytest.mark.django_db(transaction=True)
def test_committed_block_with_real_commits_runs_each_step_once() -> None:
    done: list[str] = []
    with committed():
        with transaction.atomic():
            after_commit(lambda: done.append("step"))
        assert done == ["step"]
    assert done == ["step"]


@pytest.mark.django_db
def test_service_called_in_a_test_ends_with_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgotten: list[object] = []
    monkeypatch.setattr(services, "forget_galleries", forgotten.append)
    collection = make_collection()
    collection_delete(collection=collection, actor=ACTOR)
    assert not Collection.objects.exists()
    assert len(forgotten) == 1


@pytest.mark.django_db
def test_failed_step_after_a_commit_is_heard(failed_steps: FailedSteps) -> None:
    with committed():
        after_commit(lambda: 1 / 0)
    with pytest.raises(AssertionError, match="division by zero"):
        failed_steps.expect()
