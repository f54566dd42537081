"""`python -m ml_engine.training`: options become settings; a folder becomes a model."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from ml_engine.networks.design import Design
from ml_engine.recipe import Settings
from ml_engine.training import __main__ as command
from tests.ml_engine.training.invented import invented_people


def test_options_left_out_are_the_defaults() -> None:
    options = command._parser().parse_args(["data", "--out", "run"])
    assert command._settings(options) == Settings()


def test_given_options_become_settings() -> None:
    given = (
        "data --out run --network resnet --rgb --size 96 --no-batch-norm --loss triplet --seed 3"
    )
    options = command._parser().parse_args([*given.split(), "--devices", "CPU:0,CPU:1"])
    assert command._settings(options) == Settings(
        design=Design(network="resnet", channels=3, size=96, batch_norm=False),
        loss="triplet",
        seed=3,
        devices=("CPU:0", "CPU:1"),
    )


@pytest.mark.tensorflow
def test_folder_that_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nothing"
    missing.mkdir()
    assert command.main([str(missing), "--whole", "--out", str(tmp_path / "run")]) == 1
    assert "no faces" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_folder_is_trained_to_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = invented_people(6, 4)
    for row, person in enumerate(faces.people):
        folder = tmp_path / "faces" / str(person)
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{row}.png"), faces.pictures[row])
    options = (
        "--whole --others 2 --network cnn --size 16 --width 0.125 --kernel 3 --stride 1 --epochs 2"
    )
    out = tmp_path / "run"
    assert command.main([str(tmp_path / "faces"), "--out", str(out), *options.split()]) == 0
    assert "AUC" in capsys.readouterr().out
    assert (out / "model.keras").stat().st_size > 10_000
