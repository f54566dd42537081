from __future__ import annotations

from pathlib import Path

import pytest

from recognition.engine import use_engine
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.services import candidates
from tests.factories import enrol, make_person
from tests.versioned_models import VersionedEngine, own_version

# Each has two photos.
PEOPLE = 10


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old data are removed at once."""
    monkeypatch.setattr(candidates, "_GRACE_S", -1.0)


@pytest.fixture
def engine() -> VersionedEngine:
    fake = VersionedEngine()
    use_engine(fake)
    return fake


@pytest.fixture
def first(db: None, tmp_path: Path) -> ModelVersion:
    return own_version(tmp_path, "own", b"first")


@pytest.fixture
def second(db: None, tmp_path: Path) -> ModelVersion:
    """Another version under the same name, with vectors of the same length."""
    return own_version(tmp_path, "own", b"second")


@pytest.fixture
def collection(engine: VersionedEngine, first: ModelVersion) -> Collection:
    return Collection.objects.create(name="Main", embedder=first)


@pytest.fixture
def crowd(collection: Collection) -> list[Person]:
    people = [make_person(collection, name=f"P{number}") for number in range(PEOPLE)]
    for number, person in enumerate(people):
        enrol(person, number, number)
    return people
