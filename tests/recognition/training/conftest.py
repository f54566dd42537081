from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_engine.formats import Wish
from ml_engine.formats.isolation import Converted
from recognition.people.models import Collection, Person
from recognition.people.services import own_models
from recognition.training.services import running, trainer
from tests.factories import enrol, make_collection, make_person
from tests.fakes import FakeEngine
from tests.own_models import keep_tiny
from tests.recognition.training.children import child

SetChild = Callable[..., None]


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, settings: Any) -> Path:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.WEIGHTS_DIR.mkdir()
    return settings.WEIGHTS_DIR


@pytest.fixture
def crowd(engine: FakeEngine, db: None) -> list[Person]:
    """Eight people of one collection with consent and two photos each."""
    collection = make_collection()
    people = [make_person(collection, consent="given") for _ in range(8)]
    for number, person in enumerate(people):
        enrol(person, number, number)
    return people


@pytest.fixture
def collection(crowd: list[Person]) -> Collection:
    return crowd[0].collection


@pytest.fixture
def set_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetChild:
    """Which child runs instead of one that trains; see `children.child`."""

    def convert(path: Path, weights: Path, wish: Wish) -> Converted:
        assert path.name == "model.tflite"
        return keep_tiny(weights)

    def set_(**options: Any) -> None:
        command = child(tmp_path, **options)
        monkeypatch.setattr(trainer, "_command", lambda: command)

    monkeypatch.setattr(own_models, "convert_file", convert)
    set_()
    monkeypatch.setattr(running, "_POLL_S", 0.1)
    monkeypatch.setattr(running, "_LOOK_EVERY_S", 0)
    monkeypatch.setattr(running, "fetch", lambda name, folder: {})
    return set_
