"""`python -m benchmarks.attention`: what a stream finds that searches only where it has to.

Real videos, a still room, and a room that people walk through (`benchmarks.scenes`) are shown frame
by frame. Each frame is searched whole, and as `recognition.live.attention` decides. The faces that
the first search finds are the truth for the second one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np

from benchmarks.document import table, write_block
from benchmarks.machine import stamp
from benchmarks.peers import ROOT
from benchmarks.scenes import film, room
from ml_engine import EngineConfig, Face, Wanted, load_engine
from ml_engine.engine import Engine
from ml_engine.geometry import iou
from ml_engine.images import decode_image
from ml_engine.tracking import Tracker
from ml_engine.types import Image
from ml_engine.zoo import default_weights_dir
from recognition.cameras.pictures import Converters, VideoPicture
from recognition.cameras.sources.decoding import decoded
from recognition.live.attention import NOTHING, Attention, Watch
from recognition.live.view import View

VIDEOS = ("short_hamilton_clip.mp4", "street_crowd.mp4")
RATES = (5.0, 10.0)
MIN_FACE_PX = 40
# A face counts as found if a box covers it this much.
_SAME_IOU = 0.4


# Gives each frame with its time.
Frames = Callable[[], Iterator[tuple[VideoPicture, float]]]


@dataclass(slots=True)
class Sums:
    """Of `frames` frames: CPU seconds of the search of the whole frame and of the search as
    decided, each with the conversion of the frame; faces that are there and that are found."""

    frames: int = 0
    whole_s: float = 0.0
    decided_s: float = 0.0
    watch_s: float = 0.0
    there: int = 0
    found: int = 0
    nothing: int = 0
    parts: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attention")
    data = Path(os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=data, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=60, help="of each video at most")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    measured_on = stamp("python -m benchmarks.attention")
    engine = load_engine(EngineConfig(weights_dir=default_weights_dir()))
    engine.warm_up()
    rows = []
    for fps in RATES:
        people, filmed = _people(options.data), partial(_room, fps=fps, seconds=options.seconds)
        shown = {
            "still room, 1280x720": filmed,
            "a person who stands in it": partial(filmed, people[:1], walks=False),
            "a person who walks in it": partial(filmed, people),
        }
        for name in VIDEOS:
            shown[name] = partial(_video, options.data / "videos" / name, fps, options.seconds)
        rows += [_row(name, fps, _measure(engine, frames)) for name, frames in shown.items()]
    engine.close()
    text = f"{_HEAD}\n\n{table(_COLUMNS, rows)}\n\n{_WORDS}\n\n{measured_on}"
    print(text)
    if not options.dry_run:
        write_block("attention", text)


_HEAD = "## Searching only where something is new"
_COLUMNS = [
    *("video", "frames a second", "frames", "not searched", "in part"),
    *("CPU ms a frame, whole", "as decided", "of it the decision", "faces found again"),
]
_WORDS = (
    f"Smallest face {MIN_FACE_PX} px; CPU time of all threads, with the conversion to RGB and "
    "without decoding. `faces found again`: of the faces that a search of the whole frame finds, "
    "those that the search found in the same frame that the stream decided on."
)


def _row(name: str, fps: float, sums: Sums) -> list[str]:
    frames = max(1, sums.frames)
    return [
        name,
        f"{fps:.0f}",
        str(sums.frames),
        f"{sums.nothing / frames:.0%}",
        f"{sums.parts / frames:.0%}",
        f"{sums.whole_s / frames * 1000:.1f}",
        f"{sums.decided_s / frames * 1000:.1f}",
        f"{sums.watch_s / frames * 1000:.2f}",
        f"{sums.found} of {sums.there}",
    ]


def _measure(engine: Engine, frames: Frames) -> Sums:
    """Two passes: after a search, threads of the engine go on for a moment without work."""
    sums, watch, tracker, truths = Sums(), Watch(MIN_FACE_PX), Tracker(), []
    last_s = -np.inf
    for picture, _ in frames():
        began = time.process_time()
        truths += engine.find([View(picture).image], Wanted(min_face_px=MIN_FACE_PX))
        sums.whole_s += time.process_time() - began
    for (picture, at_s), truth in zip(frames(), truths, strict=True):
        seen = [each.expected_box(at_s) for each in tracker.tracks if each.last_s >= last_s]
        missed = [each.expected_box(at_s) for each in tracker.tracks if each.last_s < last_s]
        view, began = View(picture), time.process_time()
        attention = watch.attend(view.grey, view.size, seen, at_s, missed=missed)
        sums.watch_s += time.process_time() - began
        faces = _searched(engine, view, attention)
        sums.decided_s += time.process_time() - began
        tracker.update(faces, at_s)
        last_s = at_s
        sums.frames += 1
        sums.nothing += attention is NOTHING
        sums.parts += attention.region is not None
        sums.there += len(truth)
        sums.found += _found_again(truth, faces)
    return sums


def _people(data: Path) -> list[Image]:
    photos = sorted((data / "lfw").glob("*/*_0001.jpg"))[::200][:12]
    return [decode_image(photo.read_bytes()) for photo in photos]


def _room(
    people: Sequence[Image] = (), *, fps: float, seconds: float, walks: bool = True
) -> Iterator[tuple[VideoPicture, float]]:
    converters = Converters()
    for number, frame in enumerate(film(room(1), people, fps=fps, seconds=seconds, walks=walks)):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p")
        yield VideoPicture(picture, converters), number / fps


def _video(path: Path, fps: float, seconds: float) -> Iterator[tuple[VideoPicture, float]]:
    next_s, converters = 0.0, Converters()
    with av.open(str(path)) as container:
        for frame in decoded(container):
            at_s = frame.time or 0.0
            if at_s > seconds:
                return
            if at_s >= next_s:
                next_s += 1 / fps
                yield VideoPicture(frame, converters), at_s


def _searched(engine: Engine, view: View, attention: Attention) -> list[Face]:
    if not attention.is_needed:
        return []
    smallest = attention.min_face_px or MIN_FACE_PX
    wanted = Wanted(min_face_px=smallest, region=attention.region)
    return engine.find([view.image], wanted)[0]


def _found_again(truth: Sequence[Face], faces: Sequence[Face]) -> int:
    if not truth or not faces:
        return 0
    overlap = iou(np.stack([face.box for face in truth]), np.stack([face.box for face in faces]))
    return int((overlap.max(axis=1) >= _SAME_IOU).sum())


if __name__ == "__main__":
    main()
