"""Face detection: our detector against the package `mtcnn` and OpenCV's YuNet.

All get the same pictures in one run and take turns after each picture, so that other load on the
machine slows all of them equally. Times are for one picture per call, without decoding.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.document import table
from benchmarks.peers import Process, peer_python
from ml_engine.detection import Detector, load_detector
from ml_engine.evaluation.detection import (
    LEVELS,
    Detections,
    WiderPhoto,
    average_precision,
    load_wider,
    ordered_detections,
)
from ml_engine.geometry import iou
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.threads import set_threads
from ml_engine.types import Face, Float32, Image
from ml_engine.zoo import fetch

SCRIPTS = Path(__file__).parent / "peer_scripts"
SIZE = (640, 480)
PICTURES = 12
ROUNDS = 15
# A picture must show faces of at least this side, in the size in which it is timed.
FACES, FACE_PX = (3, 5), 30
CURVE_FROM = 0.3


@dataclass(frozen=True, slots=True)
class Answer:
    boxes: Float32
    scores: Float32
    ms: float


@dataclass(frozen=True, slots=True)
class Setting:
    """on_picture, on_photo: the picture of that number; a file, with scores from `CURVE_FROM`."""

    name: str
    on_picture: Callable[[int], Answer]
    on_photo: Callable[[Path], Answer]


def benchmark(weights: Path, data: Path, rounds: int = ROUNDS) -> str:
    """The block as Markdown."""
    photos = load_wider(data / "wider") if (data / "wider").is_dir() else []
    pictures = timed_pictures(photos) if photos else _portraits(weights)
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "pictures.npz", pictures=np.stack(pictures))
    device = resolve_device("cpu")
    set_threads(device.threads)
    ours = load_detector("mtcnn", weights, device)
    theirs = Process(peer_python("mtcnn"), SCRIPTS / "mtcnn_detect.py", folder / "pictures.npz")
    processes = [theirs]
    settings = [
        _package("package `mtcnn`, smallest face 20", theirs),
        _ours("ours, smallest face 20", ours, pictures, 20),
        _ours("ours, smallest face 40 (the default)", ours, pictures, 40),
    ]
    model = next(iter(sorted((data / "models").glob("face_detection_yunet*.onnx"))), None)
    if model:
        yunet = Process(sys.executable, SCRIPTS / "yunet_detect.py", model, folder / "pictures.npz")
        processes.append(yunet)
        settings.append(_yunet("OpenCV's YuNet, every size", yunet))
    answers = _timed(settings, len(pictures), rounds)
    doubtful = [_faces(ours.detect([image], Wanted(min_face_px=20, score_threshold=0.05))[0], 0.0)
                for image in pictures]  # fmt: skip
    precision = {setting.name: _precision(setting, photos) for setting in settings if photos}
    for process in processes:
        process.close()
    return _text(settings, answers, precision, len(photos), doubtful)


def _text(
    settings: list[Setting],
    answers: dict[str, list[list[Answer]]],
    precision: dict[str, tuple[list[float], float]],
    photos: int,
    doubtful: list[Answer],
) -> str:
    reference = settings[0].name
    best = {name: _times(runs, np.min) for name, runs in answers.items()}
    median = {name: _times(runs, np.median) for name, runs in answers.items()}
    rows = []
    for setting in settings:
        name = setting.name
        ratios = (np.median(t[reference] / t[name]) for t in (median, best))
        row = [name, f"{np.mean(median[name]):.1f}", f"{np.mean(best[name]):.1f}"]
        row.append("{:.1f} ({:.1f})".format(*ratios))
        if precision:
            ap, photo_ms = precision[name]
            row += [" / ".join(f"{value:.3f}" for value in ap), f"{photo_ms:.0f}"]
        rows.append(row)
    head = ["640x480, one picture a call", "median ms", "best ms", "times faster"]
    head += ["AP easy / medium / hard", "ms a photo there"] if precision else []
    return "\n\n".join(
        [
            "## Finding faces",
            table(head, rows),
            _agreement(answers[reference], answers[settings[1].name], doubtful),
            f"{len(answers[reference])} pictures with {FACES[0]} to {FACES[1]} faces; the settings "
            f"took turns picture by picture, {len(answers[reference][0])} times, with two calls "
            "each of which the second counts. Times are means "
            'over the pictures of each one\'s median and best time; "times faster" is the median '
            "over the pictures against the first row, by medians (by best times). "
            + (
                f"AP is on {photos} photos of WIDER FACE with scores from {CURVE_FROM:g} on, "
                "which is slower than the setting that is timed."
                if precision
                else "There were no photos for an AP."
            ),
        ]
    )


def _timed(settings: list[Setting], pictures: int, rounds: int) -> dict[str, list[list[Answer]]]:
    """Name to the answers of each picture, one a round; a first round is not counted, and nor is
    the first of two calls: a machine that was idle takes a while to wake its second core."""
    answers: dict[str, list[list[Answer]]] = {
        setting.name: [[] for _ in range(pictures)] for setting in settings
    }
    for turn in tqdm(range(rounds + 1), "detection", unit="round"):
        for picture in range(pictures):
            for setting in settings:
                setting.on_picture(picture)
                answer = setting.on_picture(picture)
                if turn:
                    answers[setting.name][picture].append(answer)
    return answers


def _times(runs: list[list[Answer]], of_picture: Callable[..., float]) -> NDArray[np.float64]:
    return np.array([of_picture([answer.ms for answer in run]) for run in runs])


def _agreement(theirs: list[list[Answer]], ours: list[list[Answer]], doubtful: list[Answer]) -> str:
    """The faces that both find. The lowest score of the package is 0.8, and ours is 0.7.
    `doubtful`: our faces with any score."""
    both = only_ours = 0
    rated: list[str] = []
    for their_runs, our_runs, anything in zip(theirs, ours, doubtful, strict=True):
        a, b = their_runs[0].boxes, our_runs[0].boxes
        is_met = _meets(a, b)
        both += int(is_met.any(axis=1).sum())
        only_ours += int((~is_met.any(axis=0)).sum())
        for row in np.flatnonzero(~is_met.any(axis=1)):
            scores = anything.scores[_meets(a[row : row + 1], anything.boxes)[0]]
            rated.append(f"{scores.max():.2f}" if len(scores) else "none")
    alone = f" (with a score of {', '.join(rated)} from ours)" if rated else ""
    return (
        f"At smallest face 20 both find {both} faces (IoU at least 0.5); {len(rated)} are found "
        f"only by the package{alone}, {only_ours} only by ours."
    )


def _meets(boxes: Float32, others: Float32) -> NDArray[np.bool_]:
    return iou(boxes, others) >= 0.5


def _precision(setting: Setting, photos: list[WiderPhoto]) -> tuple[list[float], float]:
    """AP by level, and milliseconds a photo."""
    found: list[Detections] = []
    elapsed_ms = 0.0
    for photo in tqdm(photos, setting.name, unit="photo"):
        answer = setting.on_photo(photo.path)
        elapsed_ms += answer.ms
        found.append(ordered_detections(list(zip(answer.boxes, answer.scores, strict=True))))
    return [average_precision(photos, found, level) for level in LEVELS], elapsed_ms / len(photos)


def _ours(name: str, detector: Detector, pictures: list[Image], smallest: int) -> Setting:
    def detect(image: Image, score: float | None) -> Answer:
        started = time.perf_counter()
        faces = detector.detect([image], Wanted(min_face_px=smallest, score_threshold=score))[0]
        return _faces(faces, 1000 * (time.perf_counter() - started))

    return Setting(
        name,
        lambda picture: detect(pictures[picture], None),
        lambda path: detect(decode_image(path.read_bytes()), CURVE_FROM),
    )


def _faces(faces: list[Face], ms: float) -> Answer:
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
    return Answer(boxes, np.array([face.score for face in faces], np.float32), ms)


def _package(name: str, process: Process) -> Setting:
    low = {"threshold_onet": CURVE_FROM}
    return Setting(
        name,
        lambda picture: _answer(process.ask(picture=picture, options={"min_face_size": 20})),
        lambda path: _answer(process.ask(path=str(path), options={"min_face_size": 20, **low})),
    )


def _yunet(name: str, process: Process) -> Setting:
    return Setting(
        name,
        lambda picture: _answer(process.ask(picture=picture, score=0.6)),
        lambda path: _answer(process.ask(path=str(path), score=CURVE_FROM)),
    )


def _answer(values: dict) -> Answer:
    return Answer(
        np.array(values["boxes"], np.float32).reshape(-1, 4),
        np.array(values["scores"], np.float32),
        values["ms"],
    )


def timed_pictures(photos: list[WiderPhoto]) -> list[Image]:
    """The first photos with this many faces, scaled to fit into 640x480."""
    chosen = []
    for photo in photos:
        image = decode_image(photo.path.read_bytes())
        scale = min(SIZE[0] / image.shape[1], SIZE[1] / image.shape[0])
        sides = (photo.boxes[:, 2:] - photo.boxes[:, :2]).min(axis=1) * scale
        if FACES[0] <= (sides >= FACE_PX).sum() <= FACES[1] and len(sides) <= FACES[1]:
            chosen.append(_framed(image))
        if len(chosen) == PICTURES:
            break
    return chosen


def _portraits(weights: Path) -> list[Image]:
    """Four of the sample portraits in one picture, for a machine without data."""
    images = [decode_image(path.read_bytes()) for path in fetch("samples", weights).values()]
    height = max(image.shape[0] for image in images)
    padded = [np.pad(i, ((0, height - i.shape[0]), (0, 0), (0, 0))) for i in images]
    return [_framed(np.concatenate(padded, axis=1).astype(np.uint8))]


def _framed(image: Image) -> Image:
    """The picture scaled to fit into the size, on black."""
    scale = min(SIZE[0] / image.shape[1], SIZE[1] / image.shape[0])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    framed = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    framed[:height, :width] = cv2.resize(image, (width, height), interpolation=method)
    return framed
