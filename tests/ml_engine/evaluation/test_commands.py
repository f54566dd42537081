"""The commands, as a newcomer uses them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from ml_engine.evaluation.__main__ import _parser, main


def test_every_command_explains_itself_and_writes_json_and_a_chart() -> None:
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in action.choices.items():
        text = command.format_help()
        assert "--json" in text, name
        assert "--svg" in text, name
        assert command.description, name


@pytest.mark.weights
@pytest.mark.parametrize("command", ["lfw", "openset", "calibrate", "wider"])
@pytest.mark.parametrize("is_there", [True, False], ids=["empty folder", "no folder"])
def test_evaluation_command_names_a_folder_without_photos(
    command: str,
    is_there: bool,
    tmp_path: Path,
    weights_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "photos"
    if is_there:
        folder.mkdir()
    assert main([command, "--data", str(folder), "--weights", str(weights_dir)]) == 1
    assert str(folder) in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["lfw", "--data", ".", "--folds", "four"], ["lfw"], []])
def test_evaluation_command_with_wrong_arguments_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "_numbers" not in capsys.readouterr().err


@pytest.mark.weights
@pytest.mark.data
def test_wider_writes_both_files_into_folders_that_it_makes(
    tmp_path: Path, weights_dir: Path, data_dir: Path
) -> None:
    truth = json.loads((data_dir / "wider" / "ground_truth.json").read_text())
    (name, boxes) = next(iter(truth.items()))
    photos = tmp_path / "wider"
    photos.mkdir()
    (photos / "ground_truth.json").write_text(json.dumps({name: boxes}))
    (photos / name).write_bytes((data_dir / "wider" / name).read_bytes())
    files = tmp_path / "out" / "wider.json", tmp_path / "pictures" / "wider.svg"
    status = main(
        ["wider", "--data", str(photos), "--weights", str(weights_dir),
         "--json", str(files[0]), "--svg", str(files[1])]
    )  # fmt: skip
    assert status == 0
    assert json.loads(files[0].read_text())["detector"] == "mtcnn"
    assert "precision" in files[1].read_text()


@pytest.mark.weights
def test_wider_names_a_truth_that_it_cannot_read(
    tmp_path: Path, weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ground_truth.json").write_text('{"a.jpg": {"boxes": 3}}')
    main(["wider", "--data", str(tmp_path), "--weights", str(weights_dir)])
    assert "ground_truth.json" in capsys.readouterr().err
