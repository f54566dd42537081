"""Models of one's own in the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEntry
from ml_engine.matching.error_rates import people_needed
from ml_engine.zoo.own import own_embedder
from recognition.jobs.models import Job
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.services.own_models import model_evaluate
from tests.factories import ACTOR, enrol, make_collection, make_own_model, make_person
from tests.fakes import FakeEngine
from tests.ml_engine.formats import hostile
from tests.own_models import tiny_tflite
from tests.recognition.admin_pages import address, page, told
from tests.recognition.people.services.test_own_models import vectors_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]
MODEL = "people_modelversion"


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, settings: Any) -> Path:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    return tmp_path / "weights"


def _form(path: Path, **changes: object) -> dict[str, object]:
    plain = {"mean": 127.5, "scale": 128, "channels": "rgb", "alignment": "arcface", "margin": 0}
    file = SimpleUploadedFile(path.name, path.read_bytes())
    return {"file": file, "name": "own", **plain, **changes}


def test_model_is_added_on_a_page_and_shown(administrator: Client, tmp_path: Path) -> None:
    url = address(f"{MODEL}_add")
    assert "Drop a model here" in page(administrator.get(url))
    answer = administrator.post(url, _form(tiny_tflite(tmp_path / "tiny.tflite"), licence="CC0"))
    version = ModelVersion.objects.get(name="own")
    assert answer["Location"] == address(f"{MODEL}_change", version.pk)
    text = page(administrator.get(answer["Location"]))
    for said in ("A model of your own.", "CC0", "Added: not measured yet", "1 AVERAGE_POOL_2D",
                 "from pixels to vector", "(pixel - 127.5) / 128"):  # fmt: skip
        assert said in text


def test_page_shows_why_a_model_is_refused(administrator: Client, tmp_path: Path) -> None:
    (tmp_path / "evil.onnx").write_bytes(hostile.onnx(operation="Loop"))
    text = page(administrator.post(address(f"{MODEL}_add"), _form(tmp_path / "evil.onnx")))
    assert "Refused: Operation Loop" in text
    text = page(administrator.post(address(f"{MODEL}_add"), _form(tmp_path / "evil.onnx", scale=0)))
    assert "scale is not 0" in text
    assert not ModelVersion.objects.filter(source="file").exists()


def test_page_starts_an_evaluation(administrator: Client) -> None:
    version, collection = make_own_model(state="added"), make_collection(name="Door")
    url = address(f"{MODEL}_evaluate", version.pk)
    assert "Door" in page(administrator.get(url))
    assert "Choose a collection." in page(administrator.post(url, {"collection": "x"}))
    form = {"collection": str(collection.pk)}
    assert "are needed for an evaluation" in page(administrator.post(url, form))
    people = (Person(collection=collection, name=str(n)) for n in range(people_needed()))
    Person.objects.bulk_create(people)
    assert administrator.post(url, form).status_code == 302
    assert Job.objects.get().parameters == {"model": version.pk}


def test_page_says_what_an_evaluation_of_a_model_in_use_does_and_takes_its_curve(
    administrator: Client,
) -> None:
    version, preset = make_own_model(), make_collection().embedder
    url = address(f"{MODEL}_evaluate", version.pk)
    assert "this model. So an evaluation" not in page(administrator.get(url))
    assert "only its figures change" in page(
        administrator.get(address(f"{MODEL}_evaluate", preset.pk))
    )
    Collection.objects.create(name="Gate", embedder=version)
    assert "Gate uses this model. So an evaluation" in page(administrator.get(url))
    vectors = vectors_of(people_needed(), noise=0.3)
    model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    shown = address(f"{MODEL}_change", version.pk)
    text = page(administrator.get(shown))
    assert f'href="{url}">not in force' in text
    assert "One stranger in 100" in text
    assert "has_enough_pairs" not in text, "figures are no JSON"
    text = page(administrator.get(url))
    assert "Measured on tests" in text
    assert '<th scope="row">Gate</th><td>none</td><td>0.' in text
    answer = administrator.post(url, {"do": "use_curve"})
    assert (answer["Location"], told(answer)) == (shown, ["The new curve is in force."])
    assert "Put this curve in force" not in page(administrator.get(url))


def test_page_removes_a_model_of_ones_own_only(administrator: Client) -> None:
    version = make_own_model()
    preset = make_collection().embedder
    answer = administrator.post(address(f"{MODEL}_delete", preset.pk), {"post": "yes"})
    assert answer.status_code == 403
    administrator.post(address(f"{MODEL}_delete", version.pk), {"post": "yes"})
    assert list(ModelVersion.objects.all()) == [preset]


def test_operator_reads_models_and_adds_none(operator: Client) -> None:
    page(operator.get(address(f"{MODEL}_changelist")))
    assert operator.get(address(f"{MODEL}_add")).status_code == 403


@pytest.mark.usefixtures("engine")
def test_page_shows_what_a_network_sees_of_a_stored_face(
    administrator: Client, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    version = make_own_model()
    url = address(f"{MODEL}_sees", version.pk)
    assert "Enrol somebody first" in page(administrator.get(url))
    older, newer = enrol(make_person(name="Ann"), 1, 1)
    card = own_embedder("own", Path(version.file), weights)
    monkeypatch.setattr(FakeEngine, "embedder", lambda self, model: card)
    text = page(administrator.get(url))
    assert "AVERAGE_POOL_2D" in text
    assert "(32 - 8 + 0) / 8 + 1 = 4" in text
    assert text.count("data:image/png;base64,") == 2  # the face and its edges
    assert f'href="?face={newer.pk}" aria-current="true"' in text
    older.file.storage.delete(str(older.file.name))
    assert "cannot be read any more" in page(administrator.get(url, {"face": str(older.pk)}))
    viewed = AuditEntry.objects.get(action="image.view")
    assert str(newer.pk) in str(viewed.details)
    assert str(older.pk) not in str(viewed.details)


def test_page_takes_three_channels_and_what_else_a_file_does_not_tell(
    administrator: Client, tmp_path: Path
) -> None:
    form = _form(tiny_tflite(tmp_path / "tiny.tflite"), mean="1, 2, 3", scale="4,5,6")
    form |= {"layout": "nhwc", "network": "", "checkpoint": "model-1", "values": "keep_prob=1.0"}
    assert administrator.post(address(f"{MODEL}_add"), form).status_code == 302
    told = ModelVersion.objects.get(name="own").report["card"]["preprocessing"]
    assert (told["mean"], told["scale"]) == ([1, 2, 3], [4, 5, 6])
    for change, reason in (
        ({"channels": "grey"}, "mean and scale of grey are one number"),
        ({"mean": "1,2"}, "one for each channel"),
        ({"mean": "x"}, "is no number"),
        ({"values": "keep_prob"}, "NAME=NUMBER"),
    ):
        form = _form(tiny_tflite(tmp_path / "tiny.tflite"), mean="1,2,3", name="other") | change
        assert reason in page(administrator.post(address(f"{MODEL}_add"), form))


@pytest.mark.usefixtures("engine")
def test_page_tells_a_missing_network_from_a_missing_picture(
    administrator: Client, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    version = make_own_model()
    enrol(make_person(name="Ann"), 1)
    card = own_embedder("own", Path(version.file), weights)
    monkeypatch.setattr(FakeEngine, "embedder", lambda self, model: card)
    (weights / version.file / "network.tflite").unlink()
    text = page(administrator.get(address(f"{MODEL}_sees", version.pk)))
    assert "network.tflite cannot be read" in text
    assert not AuditEntry.objects.filter(action="image.view").exists()


def test_operator_does_not_run_a_model(operator: Client) -> None:
    version = make_own_model()
    assert operator.get(address(f"{MODEL}_sees", version.pk)).status_code == 403
