"""Enrolment and identification on unprepared photos, in which no stranger is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.laboratory import celebs
from benchmarks.laboratory.celebs import evaluate_celebs
from ml_engine.engine import FaceEngine


@pytest.mark.weights
@pytest.mark.data
def test_all_are_found_right_and_above_the_default_threshold(
    real_engine: FaceEngine, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every eighteenth photo of LFW's strangers, because all of them take minutes."""
    everybody = celebs._strangers(data_dir / "lfw")
    monkeypatch.setattr(celebs, "_strangers", lambda folder: everybody[::18])
    report = evaluate_celebs(
        real_engine, data_dir / "celebs5", "mobilefacenet", strangers=data_dir / "lfw"
    )
    assert report.people == 5
    assert len(report.probes) == 25
    assert [probe.photo for probe in report.probes if not probe.is_right] == []
    assert report.strangers > 200
    assert report.strangers_named <= 0.01 * report.strangers
    assert "right and above the threshold 25" in report.as_text()


def test_enrolled_people_are_left_out_of_the_strangers(tmp_path: Path) -> None:
    for name in ("Madonna", "Ann"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}_0001.jpg").touch()
    assert [path.stem for path in celebs._strangers(tmp_path)] == ["Ann_0001"]


def test_celebs_names_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no photos"):
        celebs._pictures(tmp_path)
