"""Endurance: does the number of threads or file handles, or the memory, grow over many thousand
frames?

Two callers share the engine, as in service: a live stream (detect, then embed), and a REST client
that sends files, some of other sizes and some broken. Frames show one to five faces from photos,
which are mirrored, scaled, lit and placed differently each time, so that no cache sees one twice.

Memory means the memory that only this process uses and cannot give back (anonymous pages in RAM).
It varies with the sizes of pictures for which networks are kept ready. So the mean of the last
tenth of the run is compared with that of the first tenth, after a start that is not counted. Each
ready network has a thread and a handle, and two while it is made, so for these the 90th percentile
of the samples is compared.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ml_engine.evaluation.lfw import PICTURES
from ml_engine.evaluation.report import percent
from ml_engine.images import decode_image, encode_jpeg
from ml_engine.request import Ask
from ml_engine.types import Image, ImageError
from ml_engine.zoo import ensure

if TYPE_CHECKING:
    import psutil

    from ml_engine.engine import FaceEngine

SIZE = (640, 480)
MAX_FACES = 5
MAX_GROWTH = 0.01
_SAMPLES = 2000
# Most photos of a folder from which faces are taken.
_PHOTOS = 60
# Of the REST client's pictures one in so many is broken, and one in so many has another size: in
# turn, so that every part of a run keeps the same networks ready and no chance is in its memory.
_BROKEN_EVERY = 50
_ODD_EVERY = 4
# More than the number of shapes that any cache keeps.
_ODD_SIZES = (
    (160, 120), (250, 250), (320, 240), (480, 640), (800, 600), (1024, 1024), (1280, 720),
    (1920, 1080),
)  # fmt: skip
_WARM_UP_FRAMES = (1, 2, 4, 8)
# Frames that come first and are not counted, a share of the others: caches and the heap fill.
_SETTLING = 0.05
_FACE_PX = (60, 400)
_REFUSED = -1
_LIVE, _REST = Ask(caller="live"), Ask(caller="rest")


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of the process after a number of frames."""

    frames: int
    anonymous_mb: float
    threads: int
    handles: int


@dataclass(frozen=True, slots=True)
class SoakReport:
    """broken: pictures that were to be refused, and were. memory_mb: mean of the first tenth and
    of the last. threads, handles: what nine of ten samples of each do not exceed."""

    device: str
    frames: int
    faces: int
    broken: int
    seconds: float
    memory_mb: tuple[float, float]
    threads: tuple[int, int]
    handles: tuple[int, int]
    samples: list[Sample] = field(repr=False)

    @property
    def growth(self) -> float:
        return self.memory_mb[1] / self.memory_mb[0] - 1

    @property
    def is_steady(self) -> bool:
        gained = [last - first for first, last in (self.threads, self.handles)]
        return self.growth <= MAX_GROWTH and max(gained) <= 0

    def as_dict(self) -> dict[str, object]:
        return asdict(self) | {"growth": self.growth, "is_steady": self.is_steady}

    def as_text(self) -> str:
        first, last = self.memory_mb
        return (
            f"{self.device}; {self.frames:,} frames with {self.faces:,} faces in "
            f"{self.seconds / 60:.1f} minutes; {self.broken:,} broken pictures refused\n"
            f"first tenth and last: anonymous memory {first:.1f} and {last:.1f} MB (a ratio of "
            f"{last / first:.4f}), threads {self.threads[0]} and {self.threads[1]}, open handles "
            f"{self.handles[0]} and {self.handles[1]}\n"
            + ("steady" if self.is_steady else f"NOT STEADY: {percent(MAX_GROWTH)} may be gained")
        )


def evaluate_soak(
    engine: FaceEngine, *, frames: int = 20_000, data: Path | None = None
) -> SoakReport:
    """data: a folder whose photos give faces, too. What a call raises that it should not is raised
    here. Ctrl-C ends the run, and what was seen so far is the report."""
    cut = _cut_faces(engine, [*ensure("samples", engine.config.weights_dir).values(), *_some(data)])
    _warm_up(engine, cut)
    settling = round(_SETTLING * frames)
    numbers = iter(range(settling + frames))
    done: queue.SimpleQueue[int | Exception] = queue.SimpleQueue()
    callers = [
        threading.Thread(target=_call, args=(engine, kind, cut, numbers, done), daemon=True)
        for kind in (_live, _RestClient())
    ]
    started = time.perf_counter()
    for caller in callers:
        caller.start()
    faces, broken, samples = _watch(done, settling, frames)
    seconds = time.perf_counter() - started
    for _ in numbers:  # what is left after Ctrl-C: then the callers end, too
        pass
    for caller in callers:
        caller.join()
    return soak_report(engine.device, faces, broken, seconds, samples)


def _warm_up(engine: FaceEngine, cut: Sequence[Image]) -> None:
    """Use what a frame alone rarely needs: a network for many faces takes its memory, a thread and
    a handle when it is first used, which may be an hour after the start, and keeps them."""
    engine.warm_up()
    for count in _WARM_UP_FRAMES:
        engine.analyze([make_frame(cut, number) for number in range(count)], flip=True)


def soak_report(
    device: str, faces: int, broken: int, seconds: float, samples: list[Sample]
) -> SoakReport:
    tenth = max(1, len(samples) // 10)
    ends = samples[:tenth], samples[-tenth:]
    first, last = (float(np.mean([sample.anonymous_mb for sample in end])) for end in ends)
    return SoakReport(
        device=device,
        frames=samples[-1].frames,
        faces=faces,
        broken=broken,
        seconds=seconds,
        memory_mb=(first, last),
        threads=_usual_most([[sample.threads for sample in end] for end in ends]),
        handles=_usual_most([[sample.handles for sample in end] for end in ends]),
        samples=samples,
    )


def _usual_most(ends: Sequence[Sequence[int]]) -> tuple[int, int]:
    first, last = (int(np.percentile(end, 90)) for end in ends)
    return first, last


def _watch(
    done: queue.SimpleQueue[int | Exception], settling: int, frames: int
) -> tuple[int, int, list[Sample]]:
    """Faces, broken pictures, and the process after every so many frames, of those that count."""
    import psutil

    process = psutil.Process()
    every = max(1, frames // _SAMPLES)
    faces = broken = 0
    samples: list[Sample] = []
    with suppress(KeyboardInterrupt):
        for number in tqdm(range(1 - settling, frames + 1), "soak", unit="frame"):
            answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            if number < 1:
                continue
            broken += answer == _REFUSED
            faces += max(0, answer)
            if number % every == 0:
                samples.append(_sample(process, number))
    return faces, broken, samples or [_sample(process, 0)]


def _sample(process: psutil.Process, frames: int) -> Sample:
    handles = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return Sample(frames, anonymous_mb(process), process.num_threads(), handles)


def anonymous_mb(process: psutil.Process) -> float:
    """Of its pages in RAM, those that no file is behind."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return process.memory_full_info().uss / 2**20
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024


def _call(
    engine: FaceEngine,
    kind: Callable[[FaceEngine, Sequence[Image], int], int],
    cut: Sequence[Image],
    numbers: Iterator[int],
    done: queue.SimpleQueue[int | Exception],
) -> None:
    """Send one frame after the other, until all numbers are used."""
    try:
        for number in numbers:
            done.put(kind(engine, cut, number))
    except Exception as error:
        done.put(error)


def _live(engine: FaceEngine, cut: Sequence[Image], number: int) -> int:
    """The number of faces found."""
    frame = make_frame(cut, number)
    return len(engine.embed(frame, engine.find([frame], ask=_LIVE)[0], _LIVE))


class _RestClient:
    """The number of faces found; _REFUSED for a broken picture."""

    def __init__(self) -> None:
        self._sent = 0

    def __call__(self, engine: FaceEngine, cut: Sequence[Image], number: int) -> int:
        self._sent += 1
        file = encode_jpeg(make_frame(cut, number, self._size()))
        if self._sent % _BROKEN_EVERY == 0:
            return _broken(engine, file)
        return len(engine.analyze([decode_image(file)], ask=_REST, flip=True)[0])

    def _size(self) -> tuple[int, int]:
        turn, is_usual = divmod(self._sent, _ODD_EVERY)
        return SIZE if is_usual else _ODD_SIZES[turn % len(_ODD_SIZES)]


def _broken(engine: FaceEngine, file: bytes) -> int:
    """Half a file, and a picture without pixels. Both must be refused."""
    try:
        image = decode_image(file[: len(file) // 2])
    except ImageError:
        image = np.zeros((0, 0, 3), np.uint8)
    try:
        engine.analyze([image], ask=_REST)
    except ValueError:
        return _REFUSED
    raise AssertionError(f"A broken picture of {image.shape} was analysed.")


def make_frame(cut: Sequence[Image], number: int, size: tuple[int, int] = SIZE) -> Image:
    """(h, w, 3): one to five of the faces side by side, the same for the same number."""
    import cv2

    random = np.random.default_rng(number)
    width, height = size
    frame = np.full((height, width, 3), random.integers(40, 200, 3), np.uint8)
    count = int(random.integers(1, MAX_FACES + 1))
    for column in range(count):
        left, room = column * width // count, width // count
        side = int(random.integers(*_FACE_PX).clip(16, min(room, height)))
        face = cv2.resize(cut[int(random.integers(len(cut)))], (side, side))
        if random.random() < 0.5:
            face = face[:, ::-1]
        lit = np.clip(face * random.uniform(0.6, 1.3), 0, 255).astype(np.uint8)
        x = left + int(random.integers(room - side + 1))
        y = int(random.integers(height - side + 1))
        frame[y : y + side, x : x + side] = lit
    return frame


def _cut_faces(engine: FaceEngine, paths: Sequence[Path]) -> list[Image]:
    """All faces of the photos with a margin, about square."""
    cut = []
    for path in paths:
        image = decode_image(path.read_bytes())
        for face in engine.find([image])[0]:
            x1, y1, x2, y2 = face.box
            middle_x, middle_y, half = (x1 + x2) / 2, (y1 + y2) / 2, 0.9 * max(x2 - x1, y2 - y1)
            left, top = max(0, round(middle_x - half)), max(0, round(middle_y - half))
            cut.append(image[top : round(middle_y + half), left : round(middle_x + half)].copy())
    return cut


def _some(folder: Path | None) -> list[Path]:
    """Photos from all over the folder."""
    if folder is None:
        return []
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise FileNotFoundError(f"There are no photos in {folder}.")
    return paths[:: -(-len(paths) // _PHOTOS)]
