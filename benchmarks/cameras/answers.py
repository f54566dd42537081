"""What a site wrote down (`recorded.py`): answers to frames, and the time of its threads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# In the order of a frame's way; a site may have others.
_STAGES = ("queue", "decode", "detect", "align", "embed", "search")


@dataclass(frozen=True, slots=True)
class Answer:
    """To one frame. timing_ms: by stage; `total` is from the moment the frame left the decoder to
    the answer. dropped: frames left out since the stream began."""

    camera: str
    frame: int
    at_s: float
    timing_ms: dict[str, float]
    dropped: int
    faces: int
    named: int

    @property
    def total_ms(self) -> float:
        return self.timing_ms["total"]

    @property
    def decoded_s(self) -> float:
        """When the frame left the decoder."""
        return self.at_s - self.total_ms / 1000


@dataclass(frozen=True, slots=True)
class Recorded:
    """A part of a run. cores: used by threads, by what they do."""

    answers: list[Answer]
    cores: dict[str, float]


def recorded_between(path: Path, start_s: float, end_s: float) -> Recorded:
    """Read the record. The time of threads is that between the samples within these limits."""
    lines = [line for line in _lines(path) if start_s <= line["at_s"] < end_s]
    threads = [line for line in lines if "threads" in line]
    answers = [Answer(**line) for line in lines if "threads" not in line]
    return Recorded(answers, _cores(threads))


def in_order(stages: Iterable[str]) -> list[str]:
    """Each once, as a frame goes through them; unknown ones, and `total`, at the end."""
    found = dict.fromkeys(stages)
    known = [stage for stage in _STAGES if stage in found]
    return known + [stage for stage in found if stage not in _STAGES]


def last_answers(path: Path, since_s: float) -> set[str]:
    """The cameras that were answered since then."""
    return {line["camera"] for line in _lines(path) if line["at_s"] >= since_s and "camera" in line}


def _cores(samples: list[dict[str, Any]]) -> dict[str, float]:
    if len(samples) < 2:
        return {}
    first, last = samples[0], samples[-1]
    seconds = last["at_s"] - first["at_s"]
    return {
        stage: (spent_s - first["threads"].get(stage, 0.0)) / seconds
        for stage, spent_s in last["threads"].items()
    }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        for line in file:
            # The last line may be half written.
            if line.endswith("\n"):
                yield json.loads(line)
