"""`manage.py models`: list, inspect, add, evaluate, use, remove."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml_engine.matching.error_rates import people_needed
from recognition.people.models import Collection, ModelVersion
from recognition.people.services.own_models import model_evaluate
from tests.factories import ACTOR, make_collection, make_own_model
from tests.ml_engine.formats import hostile
from tests.own_models import tiny_tflite
from tests.recognition.people.services.test_own_models import vectors_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, settings: Any) -> Path:
    settings.WEIGHTS_DIR = tmp_path / "weights"
    return tmp_path / "weights"


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("models", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_models_command_adds_lists_and_removes(tmp_path: Path) -> None:
    path = tiny_tflite(tmp_path / "tiny.tflite")
    told = run("add", "own", path, "--mean", 0, "--scale", 255, "--licence", "CC0")
    assert "48 numbers a face" in told
    version = ModelVersion.objects.get(name="own")
    assert version.report["card"]["preprocessing"]["scale"] == 255
    told = run("list")
    assert f"{version.version}  embedder  file  added  CC0" in told
    assert "mobilefacenet@" in told
    assert "own was removed" in run("remove", "own")
    assert "own@" not in run("list")


def test_models_command_inspects_a_file(tmp_path: Path) -> None:
    told = run("inspect", tiny_tflite(tmp_path / "tiny.tflite"))
    assert "kind: tflite" in told
    assert "1 AVERAGE_POOL_2D" in told
    assert "pooled  ? x 4 x 4 x 3" in told


def test_models_command_tells_why_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.onnx").write_bytes(hostile.onnx(operation="Loop"))
    for verb in (("add", "own"), ("inspect",)):
        with pytest.raises(CommandError, match="Operation Loop"):
            run(*verb, tmp_path / "evil.onnx")


def test_models_command_uses_a_usable_model() -> None:
    make_own_model(state="added")
    collection = make_collection(name="Door")
    with pytest.raises(CommandError, match="evaluate it first"):
        run("use", "own", "Door")
    ModelVersion.objects.update(state="usable")
    assert "Door now uses own@" in run("use", "own", "Door")
    assert Collection.objects.get(pk=collection.pk).embedder.name == "own"


def test_models_command_refuses_impossible_options(tmp_path: Path) -> None:
    path = tiny_tflite(tmp_path / "tiny.tflite")
    for options in (("--scale", 0), ("--mean", 1, 2), ("--set", "keep")):
        with pytest.raises(CommandError):
            run("add", "own", path, *options)


def test_models_command_takes_the_curve_of_a_model_in_use() -> None:
    version = make_own_model()
    Collection.objects.create(name="Door", embedder=version)
    with pytest.raises(CommandError, match="left a curve"):
        run("use-curve", "own")
    vectors = vectors_of(people_needed(), noise=0.3)
    model_evaluate(version=version, vectors=vectors, source="tests", actor=ACTOR)
    told = run("use-curve", "own", "--dry-run")
    assert "Door: no threshold, then 0." in told
    assert "in force" not in told
    assert json.loads(run("show", "own"))["has_evaluated_curve"]
    assert "The curve is in force." in run("use-curve", "own")
    shown = json.loads(run("show", version.version))
    assert (shown["state"], shown["has_evaluated_curve"]) == ("usable", False)
    assert [curve["source"] for curve in shown["curves"]] == ["tests"]
    assert shown["figures"]["people"] == people_needed()
    assert "equal error rate 0." in run("list")


def test_models_command_shows_the_card_of_a_preset() -> None:
    shown = json.loads(run("show", "mobilefacenet"))
    assert "Apache-2.0" in shown["licence"]
    assert shown["curves"][0]["pairs"] > 0
