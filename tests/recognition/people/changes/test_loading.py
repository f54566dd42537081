"""Every process loads the candidate before a switch, and says so in a row with a lease."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ml_engine.types import EngineBusy
from recognition.people.index import (
    GalleryLoader,
    gallery_of,
    gallery_processes_prune,
    loading,
)
from recognition.people.index.process import galleries
from recognition.people.models import (
    Collection,
    GalleryProcess,
    LoadedCandidate,
    ModelVersion,
    Person,
)
from recognition.people.services.model_changes import (
    model_change_cancel,
    model_change_let_go,
    model_change_roll_back,
    model_change_switch,
)
from recognition.web.leases import DatabaseTime
from recognition.web.process import process
from tests.factories import ACTOR
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.live.streams import until
from tests.recognition.people.changes.changing import begun, now
from tests.recognition.people.changes.conftest import PEOPLE
from tests.versioned_models import VersionedEngine

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Iterator[GalleryLoader]:
    monkeypatch.setattr(loading, "_LOOK_EVERY_S", 0.05)
    part = process().part(GalleryLoader)
    part.start()
    yield part
    part.stop(1)
    assert part._thread is not None
    part._thread.join(20)
    assert not GalleryProcess.objects.exists(), "the row ends with the process"


def _loaded() -> set[int]:
    return set(LoadedCandidate.objects.values_list("model", flat=True))


def test_process_loads_the_candidate_and_forgets_what_is_let_go(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
    loader: GalleryLoader,
) -> None:
    until(lambda: GalleryProcess.objects.filter(lease_until__gt=DatabaseTime()).exists())
    begun(collection, second)
    until(lambda: _loaded() == {second.pk})
    assert galleries()[collection.pk, second.pk].size == (PEOPLE, 2 * PEOPLE)
    assert second.version in engine.embedded, "the network was run"
    model_change_switch(collection=collection, actor=ACTOR)
    until(lambda: _loaded() == {first.pk})
    model_change_roll_back(collection=collection, actor=ACTOR)
    until(lambda: _loaded() == {second.pk})
    model_change_switch(collection=collection, actor=ACTOR)
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    until(lambda: set(galleries()) == {(collection.pk, second.pk)})
    until(lambda: not _loaded())


def test_loader_goes_on_after_an_unexpected_failure(
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    loader: GalleryLoader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = iter([RuntimeError("once"), GalleryProcess.DoesNotExist("pruned")])
    candidates_to_load = loading.candidates_to_load

    def failing() -> Any:
        for failure in failures:
            raise failure
        return candidates_to_load()

    monkeypatch.setattr(loading, "candidates_to_load", failing)
    begun(collection, second)
    until(lambda: _loaded() == {second.pk})


@pytest.fixture
def idle(collection: Collection) -> Iterator[GalleryLoader]:
    """A loader whose looks a test makes."""
    part = GalleryLoader()
    yield part
    part._row.remove()


def test_busy_engine_only_delays_a_candidate(
    idle: GalleryLoader,
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
) -> None:
    begun(collection, second)
    engine.faults[second.version] = EngineBusy()
    idle._look()
    engine.faults.clear()
    assert not _loaded()
    idle._look()
    assert _loaded() == {second.pk}


def test_failed_candidate_does_not_hold_up_the_gallery_in_force(
    idle: GalleryLoader,
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun(collection, second)
    engine.faults[second.version] = RuntimeError("its file is damaged")
    idle._look()
    follows: list[bool] = []
    gallery = gallery_of(now(collection))
    monkeypatch.setattr(gallery, "is_behind", lambda revision: True)
    monkeypatch.setattr(gallery, "follow", lambda: follows.append(True))
    idle._look()
    assert follows


def test_process_says_again_what_the_end_of_a_change_deleted(
    idle: GalleryLoader, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    """Cancelled and started anew between two looks of the loader."""
    begun(collection, second)
    idle._look()
    model_change_cancel(collection=collection, actor=ACTOR)
    run_jobs()
    assert not _loaded()
    begun(collection, second)
    idle._look()
    assert _loaded() == {second.pk}


def test_process_whose_row_was_pruned_gets_a_new_one(
    idle: GalleryLoader, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    idle._look()
    GalleryProcess.objects.all().delete()
    idle._look()
    assert _loaded() == {second.pk}


def test_rows_of_processes_that_ended_long_ago_are_deleted(db: None) -> None:
    GalleryProcess.objects.create(name="old", lease_until=DatabaseTime(-7200))
    GalleryProcess.objects.create(name="new", lease_until=DatabaseTime(5))
    assert gallery_processes_prune() == 1
    assert GalleryProcess.objects.get().name == "new"
