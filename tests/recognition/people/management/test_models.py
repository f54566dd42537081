"""`manage.py models`: list, inspect, add, evaluate, use, remove."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recognition.people.models import Collection, ModelVersion
from tests.factories import make_collection, make_own_model
from tests.ml_engine.formats import hostile
from tests.own_models import tiny_tflite

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


def test_models_command_uses_a_usable_model(tmp_path: Path) -> None:
    make_own_model(tmp_path, state="added")
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
