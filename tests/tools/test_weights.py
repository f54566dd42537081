"""`make weights`: weights that the settings need, and optional ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import weights


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are fetched into an empty folder; `yunet` is not available."""
    names: list[str] = []

    def command(arguments: list[str]) -> int:
        assert arguments[:3] == ["fetch", "--weights", str(tmp_path)]
        names.extend(arguments[3:])
        return int("yunet" in arguments)

    monkeypatch.setattr(weights, "engine_command", command)
    monkeypatch.setenv("ENV_FILE", "/dev/null")
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.delenv("ENGINE_DETECTOR", raising=False)
    return names


def test_weights_of_a_start_are_those_of_the_default_models(fetched: list[str]) -> None:
    assert weights.main(is_all=False) == 0
    assert fetched == ["mtcnn", "mobilefacenet"]


def test_all_weights_without_the_optional_ones_are_no_failure(
    fetched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert weights.main(is_all=True) == 0
    assert sorted(fetched) == ["dlib_resnet", "mobilefacenet", "mtcnn", "samples", "yunet"]
    assert "left out" in capsys.readouterr().out


@pytest.mark.parametrize("is_all", [True, False])
def test_weights_of_the_chosen_detector_are_not_optional(
    is_all: bool, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_DETECTOR", "yunet")
    assert weights.main(is_all=is_all) == 1
    assert fetched.count("yunet") == 1
    assert ("mtcnn" in fetched) is is_all


def test_weights_of_a_detector_of_two_parts_are_those_of_both(
    fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_DETECTOR", "yunet_onet")
    weights.main(is_all=False)
    assert fetched == ["yunet", "mtcnn", "mobilefacenet"]


def test_weights_of_an_unknown_detector_are_refused_with_the_known_ones(
    fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_DETECTOR", "haar")
    with pytest.raises(SystemExit, match="ENGINE_DETECTOR: There is no detector 'haar'"):
        weights.main(is_all=False)
    assert fetched == []


def test_weights_on_disk_are_not_fetched(
    fetched: list[str], weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "ensure", lambda name, folder: {})
    assert weights.main(is_all=True) == 0
    assert fetched == []
