"""`python -m benchmarks.detectors`: our detectors beside each other.

All of them see each picture in turn, on one thread, and what counts is the time of the processor:
so other work on the machine disturbs all of them alike.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.detection import timed_pictures
from benchmarks.document import table, write_block
from benchmarks.machine import stamp
from benchmarks.peers import ROOT
from benchmarks.scenes import SIZE, film, room
from ml_engine.detection import Detector, load_detector
from ml_engine.evaluation.detection import (
    LEVELS,
    Detections,
    WiderPhoto,
    average_precision,
    false_alarms,
    load_wider,
    ordered_detections,
    recall,
)
from ml_engine.geometry import iou
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.threads import set_threads
from ml_engine.types import Face, Float32, Image
from ml_engine.zoo import default_weights_dir, presets_of

SMALLEST_PX = (20, 40, 60)
PASSES = 3
CURVE_FROM, OPERATING = 0.3, 0.7
_CANVAS = (4000, 3000)
_MOSAICS = 2
# Of a picture that a face fills.
_WIDTHS_PX = (200, 800, 3000)
_PORTRAITS = 20
_PIECE, _PIECES = (320, 240), 600
Detectors = dict[str, Detector]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors")
    data = Path(os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=data, metavar="DIR")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    measured_on = stamp("python -m benchmarks.detectors")
    device = resolve_device("cpu", 1)
    set_threads(1)
    names = [card.name for card in presets_of("detector")]
    detectors = {name: load_detector(name, options.weights, device) for name in names}
    photos = load_wider(options.data / "wider")
    parts = [
        "## Detectors beside each other",
        _times(detectors, photos, options.data),
        _precision(detectors, photos),
        _sizes(detectors, photos, options.data),
        measured_on,
    ]
    text = "\n\n".join(parts)
    print(text)
    if not options.dry_run:
        write_block("detectors", text)


def _times(detectors: Detectors, photos: Sequence[WiderPhoto], data: Path) -> str:
    pictures = {
        "640x480, 3 to 5 faces": timed_pictures(list(photos)),
        "1280x720, room with a person": _room(data),
    }
    rows = []
    for name, images in pictures.items():
        for smallest in SMALLEST_PX:
            ms = _cpu_ms(detectors, images, smallest)
            rows.append([name, str(smallest), *(f"{each:.1f}" for each in ms)])
    return table(["CPU ms a picture", "smallest face, px", *detectors], rows)


def _cpu_ms(detectors: Detectors, images: Sequence[Image], smallest: int) -> Iterator[float]:
    """For each detector the mean over the pictures of each one's median. A first pass is not
    counted."""
    spent = np.zeros((PASSES + 1, len(images), len(detectors)))
    for turn in range(PASSES + 1):
        for number, image in enumerate(images):
            for column, detector in enumerate(detectors.values()):
                began = time.process_time()
                detector.detect([image], Wanted(min_face_px=smallest))
                spent[turn, number, column] = time.process_time() - began
    yield from 1000 * np.median(spent[1:], axis=0).mean(axis=0)


def _room(data: Path) -> list[Image]:
    people = [decode_image(photo.read_bytes()) for photo in _portraits(data)[:6]]
    return list(film(room(1, SIZE), people, fps=1, seconds=8))


def _portraits(data: Path) -> list[Path]:
    return sorted((data / "lfw").glob("*/*_0001.jpg"))[::100]


def _precision(detectors: Detectors, photos: Sequence[WiderPhoto]) -> str:
    rows = []
    for smallest in SMALLEST_PX[:2]:
        found: dict[str, list[Detections]] = {name: [] for name in detectors}
        wanted = Wanted(min_face_px=smallest, score_threshold=CURVE_FROM)
        for photo in tqdm(photos, f"WIDER FACE, {smallest}", unit="photo"):
            image = decode_image(photo.path.read_bytes())
            for name, detector in detectors.items():
                faces = detector.detect([image], wanted)[0]
                found[name].append(ordered_detections([(f.box, f.score) for f in faces]))
        for name, each in found.items():
            ap = " / ".join(f"{average_precision(photos, each, level):.3f}" for level in LEVELS)
            shares = " / ".join(f"{recall(photos, each, level, OPERATING):.3f}" for level in LEVELS)
            alarms = false_alarms(photos, each, OPERATING) / len(photos)
            rows.append([name, str(smallest), ap, shares, f"{alarms:.2f}"])
    head = ["WIDER FACE", "smallest face, px", "AP easy / medium / hard"]
    return table([*head, f"found at {OPERATING:g}", f"false alarms a photo at {OPERATING:g}"], rows)


def _sizes(detectors: Detectors, photos: Sequence[WiderPhoto], data: Path) -> str:
    """Very large pictures, very large faces, and pieces of photos without a face."""
    mosaics = list(_mosaics(photos))
    rows = [
        [f"of {sum(map(len, truths))} faces of 44 px and more in 12 megapixels", *shares]
        for truths, shares in [_in_mosaics(detectors, mosaics)]
    ]
    portraits = [decode_image(path.read_bytes()) for path in _portraits(data)[:_PORTRAITS]]
    close = [each for each in (_close_up(detectors["mtcnn"], image) for image in portraits) if each]
    for width in _WIDTHS_PX:
        hits = [sum(_is_found(each, *one, width) for one in close) for each in detectors.values()]
        rows.append([f"of {len(close)} faces that fill a picture {width} px wide", *map(str, hits)])
    pieces = list(_pieces(photos))
    alarms = [
        str(sum(len(detector.detect([piece])[0]) for piece in pieces))
        for detector in detectors.values()
    ]
    rows.append([f"false alarms in {len(pieces)} pieces of photos without a face", *alarms])
    return table(["found, smallest face 40 px", *detectors], rows)


def _in_mosaics(
    detectors: Detectors, mosaics: Sequence[tuple[Image, Float32]]
) -> tuple[list[Float32], list[str]]:
    truths = [boxes for _, boxes in mosaics]
    hits = [
        str(sum(_hits(boxes, detector.detect([image])[0]) for image, boxes in mosaics))
        for detector in detectors.values()
    ]
    return truths, hits


def _hits(truth: Float32, faces: Sequence[Face]) -> int:
    if not len(truth) or not faces:
        return 0
    return int((iou(truth, np.stack([face.box for face in faces])).max(axis=1) >= 0.5).sum())


def _mosaics(photos: Sequence[WiderPhoto]) -> Iterator[tuple[Image, Float32]]:
    """Photos side by side, with the boxes of their faces that count as medium."""
    width, height = _CANVAS
    rest = iter(photos)
    for _ in range(_MOSAICS):
        canvas, truths = np.zeros((height, width, 3), np.uint8), []
        for top in range(0, height, height // 3):
            for left in range(0, width, width // 4):
                photo = next(rest)
                part = decode_image(photo.path.read_bytes())[: height // 3, : width // 4]
                canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
                boxes = photo.boxes[photo.counted["medium"]]
                is_whole = (boxes[:, 2] < part.shape[1]) & (boxes[:, 3] < part.shape[0])
                is_large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 44
                truths.append(boxes[is_whole & is_large] + np.tile([left, top], 2))
        yield canvas, np.concatenate(truths).astype(np.float32)


def _close_up(detector: Detector, image: Image) -> tuple[Image, Float32] | None:
    """The face with a quarter of its size around it, and its box there."""
    faces = detector.detect([image], Wanted(max_faces=1))[0]
    if not faces:
        return None
    box, room_px = faces[0].box, faces[0].size_px / 4
    left, top = np.maximum(box[:2] - room_px, 0).astype(int)
    right, bottom = (box[2:] + room_px).astype(int)
    return image[top:bottom, left:right], box - np.tile([left, top], 2)


def _is_found(detector: Detector, part: Image, box: Float32, width: int) -> bool:
    scale = width / part.shape[1]
    size = (width, round(part.shape[0] * scale))
    large = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return _hits((box * scale)[None].astype(np.float32), detector.detect([large])[0]) > 0


def _pieces(photos: Sequence[WiderPhoto]) -> Iterator[Image]:
    width, height = _PIECE
    count = 0
    for photo in photos:
        image = decode_image(photo.path.read_bytes())
        for top in range(0, image.shape[0] - height + 1, height):
            for left in range(0, image.shape[1] - width + 1, width):
                corner = np.array([left, top])
                is_left = (photo.boxes[:, 2:] < corner - 20).any(axis=1)
                is_right = (photo.boxes[:, :2] > corner + _PIECE + np.int64(20)).any(axis=1)
                if count < _PIECES and (is_left | is_right).all():
                    count += 1
                    yield np.ascontiguousarray(image[top : top + height, left : left + width])


if __name__ == "__main__":
    main()
