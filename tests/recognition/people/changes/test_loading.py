"""Every process loads the candidate before a switch, and says so in a row with a lease."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recognition.people.index import GalleryLoader, gallery_processes_prune, loading
from recognition.people.index.process import galleries
from recognition.people.models import (
    Collection,
    GalleryProcess,
    LoadedCandidate,
    ModelVersion,
    Person,
)
from recognition.people.services.model_changes import (
    model_change_let_go,
    model_change_roll_back,
    model_change_switch,
)
from recognition.web.leases import DatabaseTime
from recognition.web.process import process
from tests.factories import ACTOR
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.live.streams import until
from tests.recognition.people.changes.changing import begun
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


def test_rows_of_processes_that_ended_long_ago_are_deleted(db: None) -> None:
    GalleryProcess.objects.create(name="old", lease_until=DatabaseTime(-7200))
    GalleryProcess.objects.create(name="new", lease_until=DatabaseTime(5))
    assert gallery_processes_prune() == 1
    assert GalleryProcess.objects.get().name == "new"
