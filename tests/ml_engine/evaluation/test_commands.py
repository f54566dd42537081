"""The commands, as somebody uses them who does not know them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from ml_engine.evaluation.__main__ import _parser, main

_WITH_DATA = [
    "lfw", "openset", "halves", "recalibration", "quality", "calibrate", "celebs", "wider",
    "search",
]  # fmt: skip
# Their reports say little that a picture would show.
_WITHOUT_PICTURE = {"celebs", "recalibration", "search"}


def _commands() -> dict[str, argparse.ArgumentParser]:
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def test_every_command_explains_itself_and_writes_json_and_a_picture() -> None:
    for name, command in _commands().items():
        text = command.format_help()
        assert "--json" in text, name
        assert ("--png" in text) is (name not in _WITHOUT_PICTURE), name
        assert command.description, name


@pytest.mark.weights
@pytest.mark.parametrize("command", _WITH_DATA)
@pytest.mark.parametrize("is_there", [True, False], ids=["empty folder", "no folder"])
def test_a_folder_without_photos_is_named(
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["soak", "--frames", "0"],
        ["throughput", "--size", "640", "-1"],
        ["lfw", "--data", ".", "--folds", "four"],
        ["lfw"],
        [],
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "_positive" not in capsys.readouterr().err


@pytest.mark.weights
def test_throughput_writes_both_into_folders_that_it_makes(
    tmp_path: Path, weights_dir: Path
) -> None:
    files = tmp_path / "out" / "speed.json", tmp_path / "pictures" / "speed.png"
    status = main(
        ["throughput", "--repeats", "1", "--size", "320", "240", "--weights", str(weights_dir),
         "--json", str(files[0]), "--png", str(files[1])]
    )  # fmt: skip
    assert status == 0
    assert json.loads(files[0].read_text())["timings"][0]["stage"] == "decode a JPEG"
    assert files[1].read_bytes().startswith(b"\x89PNG")


@pytest.mark.weights
def test_truth_that_is_something_else_is_named(
    tmp_path: Path, weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ground_truth.json").write_text('{"a.jpg": {"boxes": 3}}')
    main(["wider", "--data", str(tmp_path), "--weights", str(weights_dir)])
    assert "ground_truth.json" in capsys.readouterr().err
