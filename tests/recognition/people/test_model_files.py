"""A model of the user's own needs only a row in the table of models and its kept files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_engine.types import WeightsUnavailable
from ml_engine.zoo import EmbedderCard
from recognition.engine import engine_config
from recognition.people import model_files
from recognition.people.model_files import card_of_version
from recognition.people.model_versions import embedder_named, missing_version
from recognition.people.models import Collection, ModelVersion
from recognition.people.services.enrolment import images_enrol
from recognition.people.services.identification import identify
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload
from tests.answers import good
from tests.callers import Caller
from tests.factories import ACTOR, make_collection, make_own_model, make_person
from tests.fakes import photo
from tests.own_models import DIMENSION, SIZE

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


@pytest.fixture
def own_model(tmp_path: Path, settings: Any) -> ModelVersion:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    return make_own_model()


def test_row_of_a_file_gives_the_engine_its_card(own_model: ModelVersion) -> None:
    find_card = engine_config().find_card
    assert find_card is not None
    card = find_card(own_model.version)
    assert card is not None
    assert (card.version, card.dimension, card.size) == (own_model.version, DIMENSION, SIZE)
    assert card_of_version("own@000000000000") is None


def test_engine_keeps_the_models_of_all_collections(own_model: ModelVersion) -> None:
    assert engine_config().models_in_use() == set()
    first = make_collection()
    Collection.objects.create(name="Other", embedder=first.embedder, candidate=own_model)
    assert engine_config().models_in_use() == {first.embedder.version, own_model.version}


def test_rest_takes_a_file_model_by_name(api: Caller, own_model: ModelVersion) -> None:
    body = {"name": "Own", "embedder": "own", "match_threshold": 0.9}
    made = good(api.post("/api/v1/collections", body), 201)
    assert (made["embedder"], made["model"]) == ("own", own_model.version)
    rows = {row["version"]: row for row in good(api.get("/api/v1/models"))["results"]}
    assert rows[own_model.version]["about"] == "A model of your own."


def test_collection_with_an_unknown_embedder_is_refused(api: Caller) -> None:
    answer = api.post("/api/v1/collections", {"name": "Own", "embedder": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_model")


def test_collection_with_a_model_that_was_not_evaluated_is_refused(
    api: Caller, own_model: ModelVersion
) -> None:
    ModelVersion.objects.update(state=ModelVersion.State.ADDED)
    answer = api.post("/api/v1/collections", {"name": "Own", "embedder": "own"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "model_not_usable")


@pytest.mark.parametrize("name", ["card.json", "network.tflite"])
def test_file_that_is_gone_or_changed_is_missing(
    own_model: ModelVersion, settings: Any, name: str
) -> None:
    collection = Collection.objects.create(name="Own", embedder=own_model)
    assert missing_version(collection) is None
    path = settings.WEIGHTS_DIR / own_model.file / name
    path.write_bytes(b"another file")
    missing = missing_version(collection)
    assert missing is not None
    assert missing.installed is None
    path.unlink()
    with pytest.raises(ServiceError) as refused:
        identify(collection=collection, data=photo(1), actor=ACTOR)
    assert refused.value.code == "model_version_missing"


def test_card_that_is_gone_is_told_to_the_engine(own_model: ModelVersion, settings: Any) -> None:
    (settings.WEIGHTS_DIR / own_model.file / "card.json").unlink()
    with pytest.raises(WeightsUnavailable, match="Add the model again"):
        card_of_version(own_model.version)


@pytest.mark.weights
@pytest.mark.usefixtures("real_engine")
def test_people_are_identified_with_a_file_model(
    sample_photo: Callable[[str], bytes], request: pytest.FixtureRequest
) -> None:
    """Enrolment and identification, through the real engine."""
    own_model = make_own_model()
    request.addfinalizer(lambda: _forget_files(own_model))
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


def _forget_files(model: ModelVersion) -> None:
    import shutil

    from django.conf import settings

    shutil.rmtree(Path(settings.WEIGHTS_DIR) / model.file)


def test_embedder_is_found_by_version(own_model: ModelVersion) -> None:
    assert embedder_named(own_model.version) == own_model


def test_card_is_read_once_until_its_file_changes(
    own_model: ModelVersion, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read = [], model_files.own_embedder

    def counted(name: str, folder: Path, weights_dir: Path, sha256: str) -> EmbedderCard:
        reads.append(name)
        return read(name, folder, weights_dir, sha256)

    monkeypatch.setattr(model_files, "own_embedder", counted)
    for _ in range(3):
        assert model_files.is_in_place(own_model)
    assert len(reads) <= 1
    (settings.WEIGHTS_DIR / own_model.file / "card.json").write_bytes(b"another")
    assert not model_files.is_in_place(own_model)
