"""`manage.py calibrate`: a collection on its own people, a model with a file."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from ml_engine.matching.calibration import curve_of
from ml_engine.zoo import preset
from recognition.people.index import gallery_of
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Calibration, Collection, ModelVersion, Person
from recognition.people.rules import rules_of
from tests.factories import add_people, enrol, make_collection
from tests.ml_engine.vectors import people

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("calibrate", *map(str, arguments), stdout=out)
    return out.getvalue()


def _curve(version: ModelVersion) -> dict[str, Any]:
    return version.impostor_curves[preset("mtcnn").version]


def test_calibrate_command_measures_a_collection(collection: Collection) -> None:
    add_people(collection, *people(100, 2, 192, spread=0.4))
    told = run("Main")
    assert "Main: 100 of 100 people with 200 images" in told
    assert "1 in     100 strangers match at" in told
    assert "not in force" in told
    collection.refresh_from_db()
    assert not collection.uses_own_curve
    assert ", in force" in run(collection.pk, "--use")
    collection.refresh_from_db()
    assert collection.uses_own_curve


def test_calibrate_command_says_why_it_cannot_measure(person: Person) -> None:
    enrol(person, 1)
    with pytest.raises(CommandError, match="78 are needed"):
        run("Main", "--use")
    with pytest.raises(CommandError, match="no collection 'Nowhere'"):
        run("Nowhere")
    assert not Calibration.objects.exists()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A curve with higher scores of strangers than the preset's."""
    values = curve_of("mobilefacenet", "mtcnn").to_dict()
    values["scores"] = [score + 0.1 for score in curve_of("mobilefacenet", "mtcnn").scores]
    values["source"] = "our own faces"
    path = tmp_path / "curve.json"
    path.write_text(json.dumps(values))
    return path


def test_a_model_is_given_another_curve(file: Path, collection: Collection) -> None:
    before = rules_of(collection, gallery_of(collection)).threshold
    assert "our own faces" in run("--model", "mobilefacenet", "--curve", file)
    loaded = Collection.objects.get()
    assert rules_of(loaded, gallery_of(loaded)).threshold == pytest.approx(before + 0.1)
    assert AuditEntry.objects.get(action="model.curve").details == {"source": "our own faces"}
    again = ensure_model_version("mobilefacenet")
    assert _curve(again)["source"] == "our own faces", "a start does not take it away"
    other = make_collection()
    assert rules_of(other, gallery_of(other)).threshold == pytest.approx(before + 0.1)
    assert "LFW" in run("--model", "mobilefacenet")
    assert (
        _curve(ensure_model_version("mobilefacenet"))
        == curve_of("mobilefacenet", "mtcnn").to_dict()
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "dlib_resnet@0"}, "measured with dlib_resnet@0"),
        ({"detector": "yunet@0"}, "and yunet@0"),
        ({"scores": [0.1, 0.3, 0.2], "rates": [0.1, 0.01, 0.001]}, "scores must rise"),
        ({"scores": [0.1, 0.3, 1.2], "rates": [0.1, 0.01, 0.001]}, "scores must rise"),
        ({"scores": [0.1, float("nan"), 0.2], "rates": [0.1, 0.01, 0.001]}, "scores must rise"),
        ({"scores": [0.1, 0.2, 0.3], "rates": [0.1, 0.1, 0.001]}, "rates must fall"),
        ({"scores": [0.1, 0.2, 0.3], "rates": [0.1, 0.01, 0]}, "rates must fall"),
        ({"scores": [0.1, 0.2], "rates": [0.1, 0.01, 0.001]}, "a score and a rate"),
        ({"scores": [0.1], "rates": [0.1]}, "two points or more"),
        ({"scores": "high", "rates": [0.1]}, "not an impostor score curve"),
        ({"pairs": None}, "not an impostor score curve"),
        ({"scores": [[0.1], [0.2]], "rates": [0.1, 0.01]}, "not an impostor score curve"),
        ({"measured_until": "the end"}, "not an impostor score curve"),
    ],
)
def test_calibrate_command_refuses_a_malformed_curve(
    file: Path, change: dict[str, Any], reason: str
) -> None:
    before = _curve(ensure_model_version("mobilefacenet"))
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CommandError, match=reason):
        run("--model", "mobilefacenet", "--curve", file)
    assert _curve(ensure_model_version("mobilefacenet")) == before


def test_calibrate_command_names_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nothing\.json"):
        run("--model", "mobilefacenet", "--curve", tmp_path / "nothing.json")
    (tmp_path / "x").write_text("x")
    with pytest.raises(CommandError, match="not an impostor score curve"):
        run("--model", "mobilefacenet", "--curve", tmp_path / "x")


@pytest.mark.parametrize(
    "arguments", [[], ["Main", "--curve", "x"], ["--model", "fusion", "--use"], ["--model", "x"]]
)
def test_calibrate_command_refuses_contradicting_arguments(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
