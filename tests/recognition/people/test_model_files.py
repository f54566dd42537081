"""A user's own Keras file needs only a row in the table of models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from recognition.engine import engine_config
from recognition.people.model_files import card_of_version
from recognition.people.model_versions import embedder_named, missing_version
from recognition.people.models import Collection, ModelVersion
from recognition.people.services.enrolment import images_enrol
from recognition.people.services.identification import identify
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload
from tests.answers import good
from tests.callers import Caller
from tests.factories import ACTOR, make_person
from tests.fakes import photo

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


@pytest.fixture
def own_model(tmp_path: Path) -> ModelVersion:
    """A small network in a file, and its row."""
    import keras

    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Dense(16),
        ]
    )
    path = tmp_path / "own.keras"
    network.save(path)
    return ModelVersion.objects.create(
        role="embedder",
        source="file",
        name="own",
        file=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        recipe={"size": 32, "mean": 127.5, "scale": 128.0, "channels": "rgb"},
        dimension=16,
    )


def test_row_of_a_file_gives_the_engine_its_card(own_model: ModelVersion) -> None:
    find_card = engine_config().find_card
    assert find_card is not None
    card = find_card(own_model.version)
    assert card is not None
    assert (card.version, card.dimension, card.size) == (own_model.version, 16, 32)
    assert card_of_version("own@000000000000") is None


def test_rest_takes_a_file_model_by_name(api: Caller, own_model: ModelVersion) -> None:
    body = {"name": "Own", "embedder": "own", "match_threshold": 0.9}
    made = good(api.post("/api/v1/collections", body), 201)
    assert (made["embedder"], made["model"]) == ("own", own_model.version)
    rows = {row["version"]: row for row in good(api.get("/api/v1/models"))["results"]}
    assert rows[own_model.version]["about"] == "A file of your own."


def test_collection_with_an_unknown_embedder_is_refused(api: Caller) -> None:
    answer = api.post("/api/v1/collections", {"name": "Own", "embedder": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_model")


def test_file_that_is_gone_or_changed_is_missing(own_model: ModelVersion, tmp_path: Path) -> None:
    collection = Collection.objects.create(name="Own", embedder=own_model)
    assert missing_version(collection) is None
    (tmp_path / "own.keras").write_bytes(b"another file")
    missing = missing_version(collection)
    assert missing is not None
    assert missing.installed is None
    (tmp_path / "own.keras").unlink()
    with pytest.raises(ServiceError) as refused:
        identify(collection=collection, data=photo(1), actor=ACTOR)
    assert refused.value.code == "model_version_missing"


@pytest.mark.weights
@pytest.mark.usefixtures("real_engine")
def test_people_are_identified_with_a_file_model(
    own_model: ModelVersion, sample_photo: Callable[[str], bytes]
) -> None:
    """Enrolment and identification, through the real engine."""
    collection = Collection.objects.create(name="Own", embedder=own_model, match_threshold=0.5)
    person = make_person(collection, name="Barack Obama")
    upload = Upload("obama.jpg", sample_photo("obama"))
    (outcome,) = images_enrol(person=person, uploads=[upload], source="api", actor=ACTOR)
    assert outcome.accepted, outcome.message
    found = identify(collection=collection, data=sample_photo("obama"), actor=ACTOR)
    assert found.model == own_model.version
    assert found.faces[0].person_name == "Barack Obama"
    # Less than 1, because the enrolled vector is averaged with its mirror image.
    assert (found.faces[0].similarity or 0) > 0.9


def test_embedder_is_found_by_version(own_model: ModelVersion) -> None:
    assert embedder_named(own_model.version) == own_model
