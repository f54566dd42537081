"""The commands of the laboratory."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from benchmarks.laboratory import throughput
from benchmarks.laboratory.__main__ import _parser, main

_WITH_CHART = {"quality", "soak"}
_WITH_DATA = ["halves", "recalibration", "quality", "celebs", "search"]


def test_every_command_explains_itself_and_writes_json() -> None:
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in action.choices.items():
        text = command.format_help()
        assert "--json" in text, name
        assert ("--svg" in text) is (name in _WITH_CHART), name
        assert command.description, name


@pytest.mark.weights
@pytest.mark.parametrize("command", _WITH_DATA)
def test_laboratory_command_names_a_folder_without_photos(
    command: str, tmp_path: Path, weights_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--data", str(tmp_path), "--weights", str(weights_dir)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["soak", "--frames", "0"], ["throughput", "--size", "640", "-1"], []]
)
def test_laboratory_command_with_wrong_arguments_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "_positive" not in capsys.readouterr().err


@pytest.mark.weights
def test_throughput_writes_its_report_into_a_folder_that_it_makes(
    tmp_path: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "BATCHES", (1, 2))
    file = tmp_path / "out" / "speed.json"
    status = main(
        ["throughput", "--repeats", "1", "--size", "320", "240", "--weights", str(weights_dir),
         "--json", str(file)]
    )  # fmt: skip
    assert status == 0
    assert json.loads(file.read_text())["timings"][0]["stage"] == "decode a JPEG"
