"""The record of a site, and what the benchmarks of cameras say of it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.cameras.answers import Answer, Recorded, last_answers, recorded_between
from benchmarks.cameras.clock import draw_clock
from benchmarks.cameras.delay import (
    TO_CLIENT,
    TO_DECODER,
    TO_MESSAGE,
    WHOLE,
    Heard,
    stages_of,
)
from benchmarks.cameras.delay import markdown as delay_markdown
from benchmarks.cameras.load import LoadRun, Spent, by_stage, markdown, spent_between
from benchmarks.cameras.recorded import ThreadTimes, stage_of
from ml_engine.images import encode_jpeg


def _line(camera: str, at_s: float, **values: Any) -> dict[str, Any]:
    return {"camera": camera, "frame": 1, "at_s": at_s, "timing_ms": {"queue": 1.0, "total": 20.0},
            "dropped": 0, "faces": 1, "named": 0, **values}  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Two cameras, a sample of threads every two seconds, and a line that is half written."""
    path = tmp_path / "record.jsonl"
    lines = [_line("a", at_s) for at_s in (1.0, 2.0, 3.0)] + [_line("b", 9.0)]
    lines += [{"threads": {"decode": 0.1 * at_s}, "at_s": at_s} for at_s in (0.0, 2.0, 4.0, 6.0)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"camera": "c", "at')
    return path


def test_record_is_read_between_two_times(record: Path) -> None:
    found = recorded_between(record, 1.5, 6.5)
    assert [(answer.camera, answer.at_s) for answer in found.answers] == [("a", 2.0), ("a", 3.0)]
    assert found.cores == {"decode": pytest.approx(0.1)}
    assert recorded_between(record, 7.0, 8.0).cores == {}


def test_cameras_that_were_answered_lately_are_found(record: Path) -> None:
    assert last_answers(record, 3.0) == {"a", "b"}
    assert last_answers(record, 3.1) == {"b"}


def _answer(camera: str, total_ms: float, **values: Any) -> Answer:
    line = _line(camera, 5.0, timing_ms={"detect": total_ms / 2, "total": total_ms}, **values)
    return Answer(**line)


def test_least_served_camera_may_have_no_answer_at_all() -> None:
    answers = [
        _answer("face 00", 20.0),
        _answer("face 00", 40.0),
        _answer("still 00", 1.0, faces=0),
    ]
    recorded = Recorded(answers, {"decode": 0.1, "recognise": 0.4})
    run = LoadRun(["face 00"], ["still 00"], 10.0, recorded, Spent(0.5, 0.1, 0.02))
    assert run.least_fps == pytest.approx(0.1)
    assert run.row() == [
        "2", "1", "0.3 of 10", "0.1", "20", "38", "39", "100%", "0.50", "250", "0.10", "0.02"
    ]  # fmt: skip
    silent = LoadRun(["face 00", "face 01"], [], 10.0, recorded, Spent(0.5, 0.1, 0.02))
    assert silent.least_fps == 0


def test_block_of_the_load_has_a_row_for_each_run() -> None:
    runs = [
        LoadRun([f"face {n:02d}" for n in range(count)], [], 10.0,
                Recorded([_answer("face 00", 20.0)], {"decode": 0.1}), Spent(1.0, 0.1, 0.0))
        for count in (1, 4)
    ]  # fmt: skip
    text = markdown(runs, 10.0)
    assert "| 4 | 0 | 0.1 of 20 | 0.0 |" in text
    assert "| 1 | 10.0, 10.0 | 20.0, 20.0 |" in text


def test_stage_is_counted_for_frames_that_went_through_it() -> None:
    answers = [_answer("a", 20.0), Answer(**_line("a", 5.0, timing_ms={"total": 1.0}))]
    assert by_stage(answers) == {"detect": [10.0], "total": [20.0, 1.0]}


def test_other_programs_have_what_is_left_of_the_machine() -> None:
    spent = spent_between((1.0, 2.0, 10.0), (6.0, 3.0, 18.0), 10.0)
    assert (spent.site, spent.server, spent.others) == pytest.approx((0.5, 0.1, 0.2))


def test_delay_is_told_by_stage_from_the_clock_in_the_picture() -> None:
    def jpeg(ms: int) -> bytes:
        luma = np.full((480, 640), 90, np.uint8)
        draw_clock(luma, ms)
        return encode_jpeg(np.repeat(luma[:, :, None], 3, axis=2))

    answers = {7: Answer(**_line("sensor", 5.0, frame=7))}
    heard = [
        Heard(5.01, 7, jpeg(4930)),
        Heard(5.02, 8, jpeg(4970)),  # without an answer in the record
        Heard(5.02, 7, encode_jpeg(np.full((480, 640, 3), 128, np.uint8))),
    ]
    found = stages_of(heard, answers)
    assert {stage: pytest.approx(ms) for stage, ms in found.items()} == {
        TO_DECODER: [50.0],
        "queue": [1.0],
        TO_MESSAGE: [10.0],
        TO_CLIENT: [30.0],
        WHOLE: [80.0],
    }
    text = delay_markdown({"alone": found, "8 more": {}}, 10.0)
    assert f"| **{WHOLE}** | 80.0 | 80.0 | nan | nan |" in text


@pytest.mark.parametrize(
    ("thread", "stage"),
    [
        ("camera-0193", "decode"),
        ("stream-ab", "recognise"),
        ("rtsp-relay", "relay"),
        ("", "runtime"),
        ("jobs", "other"),
    ],
)
def test_thread_is_counted_by_what_it_does(thread: str, stage: str) -> None:
    assert stage_of(thread) == stage


def test_time_of_a_thread_that_has_ended_is_kept() -> None:
    times, is_over = ThreadTimes(), threading.Event()

    def work() -> None:
        while not is_over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work, name="camera-1")
    thread.start()
    try:
        while not (spent_s := times.by_stage().get("decode", 0.0)):
            time.sleep(0.05)
    finally:
        is_over.set()
        thread.join()
    assert times.by_stage()["decode"] >= spent_s
