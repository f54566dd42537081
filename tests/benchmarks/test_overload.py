"""How the benchmark of overloaded cameras counts answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.overload import CAMERAS, Cast, Run, Shown, _pair, markdown, medians, moved
from ml_engine.images import encode_jpeg


def _shown(names: dict[int, set[str]], *, late_s: float = 0.1) -> Shown:
    """A frame a second, Ada until frame 10 and Bea from there on; answers with these names."""
    camera = Shown(("Ada", "Bea"), 10, put_at=[float(number) for number in range(20)])
    for number, people in names.items():
        faces: list[dict[str, object]] = [{"person": {"name": name}} for name in people]
        faces.append({"person": None})
        message = {"type": "faces", "frame": number, "faces": faces}
        camera.hear(message, number + late_s)
    return camera


def test_only_the_person_who_is_shown_counts_as_named() -> None:
    camera = _shown({1: {"Ada"}, 2: set(), 3: {"Ada", "Bea"}, 11: {"Bea"}, 12: {"Ada"}})
    camera.hear({"type": "error", "frame": 13}, 13.0)
    assert (len(camera.answers), camera.named, camera.wrong) == (5, 2, 2)
    assert camera.answers[0].after_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("names", "old_name_s"),
    [
        # An answer counts until the next one, even if the next one is right.
        ({9: {"Ada"}, 12: {"Bea"}}, 2.1),
        ({9: {"Ada"}, 10: {"Ada"}, 11: set(), 12: {"Ada"}, 14: {"Bea"}}, 4.1),
        ({9: {"Ada"}, 12: {"Ada"}}, 10.0),
        ({9: {"Ada"}}, 10.0),
    ],
)
def test_old_name_lives_until_the_first_answer_that_leaves_it_out_for_good(
    names: dict[int, set[str]], old_name_s: float
) -> None:
    assert _shown(names).old_name_s(20.0) == pytest.approx(old_name_s)


def test_run_sums_its_cameras_up() -> None:
    cameras = [
        _shown({n: {"Ada"} for n in range(10)} | {10: {"Bea"}}),
        _shown({0: {"Ada"}, 10: {"Bea"}, 11: {"Ada"}, 12: {"Bea"}, 13: set()}),
    ]
    run = Run.of(cameras, seconds=20.0, embeddings=8, cpu_s=0.32)
    assert (run.cameras, run.put, run.answered, run.named, run.wrong) == (2, 40, 16, 14, 1)
    assert run.old_name_s == pytest.approx(2.1)
    assert run.least_share == pytest.approx(5 / 8)
    assert (run.looks, run.cpu_ms) == (0.5, pytest.approx(20.0))


def _run(cameras: int, **figures: float) -> Run:
    values = {
        "seconds": 10.0, "put": 100, "answered": 50, "named": 45, "wrong": 0, "least": 5,
        "embeddings": 10, "cpu_s": 1.0, "old_name_s": 0.5, "p95_s": 0.1,
    }  # fmt: skip
    return Run(cameras=cameras, **(values | figures))  # type: ignore[arg-type]


def test_each_number_of_cameras_is_told_once_by_its_medians() -> None:
    runs = [_run(8, cpu_s=9.0), _run(4), _run(8, cpu_s=2.0), _run(4), _run(8, cpu_s=1.0)]
    told = medians(runs)
    assert [run.cameras for run in told] == [4, 8]
    assert told[1].cpu_s == 2.0
    lines = markdown(runs).splitlines()
    assert lines[4].startswith("| 4 | 50 of 100 | 5.0 | 90.0% | 0 |")
    assert "20.0 (1.00)" in lines[4]
    assert "40.0 (2.00)" in lines[5]


def test_cameras_never_exchange_a_person_for_the_same() -> None:
    cast = [Cast(str(number), []) for number in range(12)]
    pairs = [_pair(cast, camera) for camera in range(max(CAMERAS))]
    assert all(first is not second for first, second in pairs)
    assert len({(first.name, second.name) for first, second in pairs}) == len(pairs)


def test_a_photo_moves_through_its_frames(tmp_path: Path) -> None:
    photo = encode_jpeg(np.full((120, 100, 3), 200, np.uint8))
    frames = moved(photo)
    assert {frame.shape for frame in frames} == {(480, 640, 3)}
    centres = [np.flatnonzero(frame[240, :, 0] > 150).mean() for frame in frames]
    assert max(centres) - min(centres) > 50
