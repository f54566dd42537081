"""Endurance: a steady run passes, and each kind of leak is found."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.laboratory import soak
from benchmarks.laboratory.__main__ import main
from benchmarks.laboratory.charts import draw_soak
from benchmarks.laboratory.soak import SIZE, Sample, evaluate_soak, make_frame, soak_report
from ml_engine.engine import FaceEngine
from ml_engine.types import Image


def _samples(memory: Callable[[int], float], threads: int = 9, handles: int = 20) -> list[Sample]:
    """A hundred samples. Threads and handles are the given ones in the last half."""
    return [
        Sample(n, memory(n), threads if n > 50 else 9, handles if n > 50 else 20)
        for n in range(1, 101)
    ]


@pytest.mark.parametrize(
    ("samples", "is_steady"),
    [
        (_samples(lambda n: 300.0), True),
        (_samples(lambda n: 300.0 + (20 if n == 97 else 0)), True),
        (_samples(lambda n: 300.0 + 0.02 * n), True),
        (_samples(lambda n: 300.0 + 0.04 * n), False),
        (_samples(lambda n: 300.0 - n, threads=10), False),
        (_samples(lambda n: 300.0, handles=21), False),
    ],
    ids=["flat", "one peak", "half a per cent", "more than one", "a thread", "a handle"],
)
def test_the_last_tenth_is_held_against_the_first(samples: list[Sample], is_steady: bool) -> None:
    report = soak_report("cpu", 250, 1, 60.0, samples)
    assert report.is_steady is is_steady
    assert report.as_dict()["is_steady"] is is_steady
    assert report.as_text().endswith("steady") is is_steady
    assert report.frames == 100


def test_frames_differ_and_are_the_same_for_the_same_number() -> None:
    cut: list[Image] = [np.full((90, 80, 3), shade, np.uint8) for shade in (10, 250)]
    frames = [make_frame(cut, number) for number in range(5)]
    assert all(frame.shape == (SIZE[1], SIZE[0], 3) for frame in frames)
    assert len({frame.tobytes() for frame in frames}) == 5
    assert (make_frame(cut, 3) == frames[3]).all()
    assert make_frame(cut, 3, (37, 1000)).shape == (1000, 37, 3)


@pytest.fixture
def leaks() -> Iterator[list[Any]]:
    """A leak for the test, which is removed afterwards."""
    planted: list[Any] = []
    yield planted
    for thing in planted:
        if isinstance(thing, threading.Event):
            thing.set()
        elif not isinstance(thing, np.ndarray):
            thing.close()


def _waiting_thread() -> threading.Event:
    gate = threading.Event()
    threading.Thread(target=gate.wait, daemon=True).start()
    return gate


@pytest.mark.weights
def test_planted_leaks_of_each_kind_are_caught(
    real_engine: FaceEngine,
    leaks: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    sample_photo: Callable[[str], bytes],
) -> None:
    for photo in ("obama", "biden"):
        sample_photo(photo)
    embed = real_engine.embed

    def leaky(*args: Any, **options: Any) -> Any:
        leaks.extend([np.ones(2**18), _waiting_thread(), socket.socket()])
        return embed(*args, **options)

    monkeypatch.setattr(real_engine, "embed", leaky)
    monkeypatch.setattr(soak, "_BROKEN_EVERY", 2)
    report = evaluate_soak(real_engine, frames=50)
    assert not report.is_steady
    for first, last in (report.memory_mb, report.threads, report.handles):
        assert last > first + 10
    assert (report.frames, len(report.samples)) == (50, 50)
    assert report.faces > 50
    assert report.broken > 5


@pytest.mark.weights
def test_what_the_engine_raises_ends_the_run(
    real_engine: FaceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise RuntimeError("out of order")

    monkeypatch.setattr(real_engine, "embed", broken)
    with pytest.raises(RuntimeError, match="out of order"):
        evaluate_soak(real_engine, frames=20)


@pytest.mark.weights
def test_an_interrupted_run_is_reported(
    real_engine: FaceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = soak._sample

    def interrupted(process: Any, frames: int) -> Sample:
        if frames == 12:
            raise KeyboardInterrupt
        return sample(process, frames)

    monkeypatch.setattr(soak, "_sample", interrupted)
    assert evaluate_soak(real_engine, frames=400).frames == 11


@pytest.mark.weights
def test_the_command_writes_both_files_and_says_by_its_status_whether_it_was_steady(
    tmp_path: Path, weights_dir: Path
) -> None:
    files = tmp_path / "soak.json", tmp_path / "soak.svg"
    status = main(
        ["soak", "--frames", "30", "--weights", str(weights_dir), "--json", str(files[0]),
         "--svg", str(files[1])]
    )  # fmt: skip
    values = json.loads(files[0].read_text())
    assert status == (0 if values["is_steady"] else 1)
    assert values["frames"] == len(values["samples"]) == 30
    assert files[1].read_text().startswith("<svg")


def test_a_picture_of_any_run_can_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "soak.svg"
    draw_soak(soak_report("cpu", 1, 0, 1.0, _samples(lambda n: 300.0)), path)
    assert path.read_text().startswith("<svg")
