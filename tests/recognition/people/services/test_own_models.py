"""Models of the user's own: added, evaluated, used, removed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditEntry
from ml_engine.formats import Wish, size_of
from ml_engine.matching.error_rates import people_needed
from recognition.people.models import Collection, ModelVersion
from recognition.people.rules import Counted, rules_of
from recognition.people.services import own_models
from recognition.people.services.model_curves import (
    curve_effects,
    evaluated_curve,
    evaluated_curve_use,
)
from recognition.people.services.model_sweep import model_files_sweep
from recognition.people.services.own_models import (
    Vectors,
    model_add,
    model_evaluate,
    model_remove,
    model_use,
)
from recognition.web.errors import ServiceError
from recognition.web.uploads import upload_on_disk
from tests.factories import ACTOR, enrol, make_collection, make_own_model, make_person
from tests.fakes import FakeEngine
from tests.ml_engine.formats import hostile
from tests.own_models import DIMENSION, tiny_tflite

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, settings: Any) -> Path:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    return tmp_path / "weights"


def vectors_of(people: int, *, noise: float) -> Vectors:
    """Three faces of each person, as far from each other as `noise`."""
    draw = np.random.default_rng(0)
    for person in range(people):
        middle = draw.normal(size=DIMENSION)
        for _ in range(3):
            vector = middle + noise * draw.normal(size=DIMENSION)
            yield str(person), (vector / np.linalg.norm(vector)).astype(np.float32)
        yield str(person), None  # a photo without a face


def test_file_is_added_with_its_card_and_report(tmp_path: Path, weights: Path) -> None:
    path = tiny_tflite(tmp_path / "tiny.tflite")
    version = model_add(path=path, name="own", wish=Wish(), actor=ACTOR, licence="CC0")
    assert (version.state, version.dimension, version.licence) == ("added", DIMENSION, "CC0")
    assert version.report["card"]["source"] == "tflite"
    assert (weights / version.file / "card.json").exists()
    assert AuditEntry.objects.filter(action="model.add").count() == 1
    with pytest.raises(ServiceError) as refused:
        model_add(path=path, name="own", wish=Wish(), actor=ACTOR)
    assert refused.value.code == "model_known"
    assert (weights / version.file / "card.json").exists()


def test_hostile_file_is_refused_with_its_reason_and_leaves_nothing(
    tmp_path: Path, weights: Path
) -> None:
    (tmp_path / "evil.onnx").write_bytes(hostile.onnx(operation="Loop"))
    with pytest.raises(ServiceError, match=r"Operation Loop \(node 'first'\)") as refused:
        model_add(path=tmp_path / "evil.onnx", name="own", wish=Wish(), actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("operation_refused", 422)
    assert not weights.exists()
    assert not ModelVersion.objects.filter(source="file").exists()


@pytest.mark.parametrize("name", ["", "a b", "mobilefacenet"])
def test_model_under_an_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServiceError) as refused:
        model_add(path=tmp_path / "x.tflite", name=name, wish=Wish(), actor=ACTOR)
    assert refused.value.code == "bad_name"


def test_model_that_tells_people_apart_becomes_usable() -> None:
    version = make_own_model(state="added")
    vectors = vectors_of(people_needed(), noise=0.3)
    model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    version.refresh_from_db()
    assert version.state == "usable"
    assert version.figures["people"] == people_needed()
    assert version.figures["eer"] < 0.01
    (curve,) = version.impostor_curves.values()
    assert (curve["model"], curve["source"]) == (version.version, "tests")
    collection = make_collection()
    assert model_use(version=version, collection=collection, actor=ACTOR) is None
    collection.refresh_from_db()
    assert collection.embedder == version


def test_model_that_confuses_people_is_evaluated_and_not_usable() -> None:
    version = make_own_model(state="added")
    vectors = vectors_of(people_needed(), noise=30)
    version = model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    assert version.state == "evaluated"
    with pytest.raises(ServiceError) as refused:
        model_use(version=version, collection=make_collection(), actor=ACTOR)
    assert refused.value.code == "model_not_usable"


def test_evaluation_of_a_model_in_use_keeps_its_state_and_curve() -> None:
    own = make_own_model()
    Collection.objects.create(name="Own", embedder=own)
    for version in (own, make_collection().embedder):
        curves = version.impostor_curves
        vectors = vectors_of(people_needed(), noise=30)
        model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
        version.refresh_from_db()
        assert version.figures["eer"] > 0.15
        assert (version.state, version.impostor_curves) == ("usable", curves)
        is_own = version.source == ModelVersion.Source.FILE
        assert (evaluated_curve(version) is not None) == is_own, "a preset has the zoo's curve"


def test_curve_of_a_model_in_use_is_taken_by_hand() -> None:
    version = make_own_model()
    door = Collection.objects.create(name="Door", embedder=version)
    Collection.objects.create(name="Fixed", embedder=version, match_threshold=0.4)
    with pytest.raises(ServiceError) as refused:
        evaluated_curve_use(version=version, actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("no_evaluated_curve", 409)
    vectors = vectors_of(people_needed(), noise=0.3)
    version = model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    by_new, fixed = curve_effects(version)
    assert (by_new.collection, by_new.now) == (door, None)
    assert (fixed.now, fixed.then) == (0.4, 0.4)
    assert version.impostor_curves == {}, "it was only asked"
    version = evaluated_curve_use(version=version, actor=ACTOR)
    door.refresh_from_db()
    assert rules_of(door, Counted((0, 0))).threshold == by_new.then
    assert AuditEntry.objects.get(action="model.curve").details["source"] == "tests"
    with pytest.raises(ServiceError, match="left a curve"):
        curve_effects(version)


def test_evaluation_of_a_model_that_nothing_uses_leaves_no_curve_behind() -> None:
    version = make_own_model(state="added")
    version.evaluated_curves = {"old": {}}
    version.save()
    vectors = vectors_of(people_needed(), noise=0.3)
    version = model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    assert (version.state, version.evaluated_curves) == ("usable", {})


def test_evaluation_without_two_faces_of_one_person_is_refused() -> None:
    version = make_own_model()
    ones = {person: vector for person, vector in vectors_of(100, noise=0.3) if vector is not None}
    with pytest.raises(ServiceError, match="Two faces of one person") as refused:
        model_evaluate(version=version, vectors=ones.items(), source="tests", actor=ACTOR)
    assert refused.value.code == "too_few_people"
    version.refresh_from_db()
    assert (version.state, version.figures) == ("usable", {})


def test_evaluation_keeps_a_curve_that_was_stored_meanwhile() -> None:
    version = make_own_model(state="added")
    other = {"other@000000000000": {"source": "another detector"}}

    def check() -> None:
        ModelVersion.objects.filter(pk=version.pk).update(impostor_curves=other)

    vectors = vectors_of(people_needed(), noise=0.3)
    model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR, check=check)
    version.refresh_from_db()
    assert set(version.impostor_curves) > set(other)


def test_evaluation_of_a_model_that_was_removed_is_not_found() -> None:
    version = make_own_model(state="added")
    ModelVersion.objects.filter(pk=version.pk).delete()
    vectors = vectors_of(people_needed(), noise=0.3)
    with pytest.raises(ServiceError) as refused:
        model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    assert refused.value.code == "not_found"


def test_evaluation_on_too_few_people_changes_nothing() -> None:
    version = make_own_model(state="added")
    with pytest.raises(ServiceError) as refused:
        model_evaluate(
            version=version, vectors=vectors_of(5, noise=0.3), source="tests", actor=ACTOR
        )
    assert refused.value.code == "too_few_people"
    version.refresh_from_db()
    assert (version.state, version.figures, version.impostor_curves) == ("added", {}, {})


def test_collection_with_templates_gets_the_model_by_a_change(engine: FakeEngine) -> None:
    version = make_own_model()
    vectors = vectors_of(people_needed(), noise=0.3)
    version = model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    collection = make_collection()
    enrol(make_person(collection), 1)
    change = model_use(version=version, collection=collection, actor=ACTOR)
    assert change is not None
    assert (change.state, change.target) == ("embedding", version)
    collection.refresh_from_db()
    assert collection.embedder != version


def test_change_to_a_model_that_was_not_evaluated_is_refused(engine: FakeEngine) -> None:
    version = make_own_model(state="added")
    collection = make_collection()
    enrol(make_person(collection), 1)
    with pytest.raises(ServiceError) as refused:
        model_use(version=version, collection=collection, actor=ACTOR)
    assert refused.value.code == "model_not_usable"


def test_model_is_removed_unless_it_is_in_use(weights: Path) -> None:
    version = make_own_model()
    collection = Collection.objects.create(name="Own", embedder=version)
    with pytest.raises(ServiceError) as refused:
        model_remove(version=version, actor=ACTOR)
    assert refused.value.code == "model_in_use"
    assert (weights / version.file / "card.json").exists()
    collection.delete()
    model_remove(version=version, actor=ACTOR)
    assert not ModelVersion.objects.filter(source="file").exists()


def test_preset_cannot_be_removed() -> None:
    with pytest.raises(ServiceError) as refused:
        model_remove(version=make_collection().embedder, actor=ACTOR)
    assert refused.value.code == "not_own"


def _made_old(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder, (0, 0))


def test_files_that_belong_to_no_model_are_swept_after_an_hour(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    temporary.mkdir()
    version, removed = make_own_model(), weights / "own" / ("0" * 64)
    foreign = weights / "own" / ("1" * 64)  # another site shares the folder of weights
    killed = [
        temporary / "facerec-upload-x",
        temporary / "facerec-model-x",
        weights / "own/.part-x",
    ]
    _made_old(removed, foreign, *killed, removed / "removed", weights / version.file / "removed")
    young = temporary / "facerec-model-young"
    young.mkdir()
    assert model_files_sweep() == 4
    assert not any(folder.exists() for folder in (removed, *killed))
    assert all(folder.exists() for folder in (weights / version.file, foreign, young))


def test_file_that_is_added_again_after_its_removal_stays(tmp_path: Path, weights: Path) -> None:
    """The files of the removed one are taken, and not swept any more."""
    version = make_own_model()
    model_remove(version=version, actor=ACTOR)
    os.utime(weights / version.file / "removed", (0, 0))
    path = tiny_tflite(tmp_path / "tiny.tflite")
    again = model_add(path=path, name="again", wish=Wish(), actor=ACTOR)
    assert again.file == version.file
    ModelVersion.objects.filter(pk=again.pk).delete()
    assert model_files_sweep() == 0
    assert (weights / again.file / "card.json").exists()


def test_full_disk_is_told_when_a_model_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(own_models, "convert_file", full)
    with pytest.raises(ServiceError) as refused:
        model_add(path=tmp_path / "x.tflite", name="own", wish=Wish(), actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("storage_full", 507)


def test_add_without_room_is_refused_before_anything_is_written(
    tmp_path: Path, weights: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    path = tiny_tflite(tmp_path / "tiny.tflite")
    settings.KEEP_FREE_BYTES = 2**60
    with pytest.raises(ServiceError, match=r"Adding tiny\.tflite needs .* MB are free") as refused:
        model_add(path=path, name="own", wish=Wish(), actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("storage_full", 507)
    upload = SimpleUploadedFile("tiny.tflite", path.read_bytes())
    with pytest.raises(ServiceError, match="The upload needs"), upload_on_disk(upload):
        pass
    assert not list((tmp_path / "temporary").iterdir())
    assert not weights.exists()


def test_size_of_a_model_counts_the_files_that_belong_to_it(tmp_path: Path) -> None:
    for name, size in (("m.meta", 1), ("m-3.data-00000-of-00001", 10), ("other.pb", 100)):
        (tmp_path / name).write_bytes(bytes(size))
    sizes = {name: size_of(tmp_path / name) for name in ("m.meta", "other.pb", "gone.h5", ".")}
    assert sizes == {"m.meta": 11, "other.pb": 100, "gone.h5": 0, ".": 111}
    saved = tmp_path / "saved" / "saved_model.pb"
    (saved.parent / "variables").mkdir(parents=True)
    saved.write_bytes(bytes(2))
    (saved.parent / "variables" / "variables.index").write_bytes(bytes(5))
    assert size_of(saved) == 7
