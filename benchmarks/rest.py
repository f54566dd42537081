"""From a JPEG to names over HTTP: our site against DeepFace's own REST API.

Both serve a gallery of 10,000 people on this machine and take turns of a few seconds each. The
callers run in another process. DeepFace uses the network `Dlib` with the file of our `dlib_resnet`.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.document import table
from benchmarks.peers import ROOT, Process, peer_python
from benchmarks.rest_site import PEOPLE, PRESETS
from ml_engine.images import decode_image, encode_jpeg
from ml_engine.types import Image
from ml_engine.zoo import ensure, fetch

SIZE = (640, 480)
# The numbers of people in the pictures, and how often this list is repeated.
FACES, TIMES = (1, 2, 3, 4, 5), 2
CLIENTS = 8
TURN_S = 5.0
# Fewer than in other parts, because in a round each setting has a turn of some seconds.
ROUNDS = 5
_JPEG_QUALITY = 90
_YUNET_NAME = "face_detection_yunet_2023mar.onnx"
_DLIB_FILE = "dlib_face_recognition_resnet_model_v1.dat"
_OURS, _SAME = "mobilefacenet", "dlib_resnet"
_HERE = Path(__file__).parent
FOLDER = ROOT / "var" / "bench" / "rest"


@dataclass(slots=True)
class Setting:
    """What is asked of the callers, and what came of it: pictures a second by round, and
    milliseconds of every picture. batch: mean of the engine's detection, by round."""

    name: str
    question: dict[str, Any]
    per_s: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)
    faces: int = 0
    named: int = 0
    right: int = 0
    sent: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        return "form" not in self.question

    @property
    def speed(self) -> float:
        return float(np.median(self.per_s)) if self.per_s else 0.0

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.ms, percent)) if self.ms else float("nan")


def benchmark(weights: Path, data: Path, rounds: int = ROUNDS) -> str:
    """The block as Markdown."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    pictures = lay_out(weights, data)
    with ExitStack() as stack:
        port, theirs_port = free_port(), free_port()
        theirs, detectors = _deepface(weights, data, theirs_port)
        stack.enter_context(closing(theirs))
        site = stack.enter_context(closing(_site(weights, port)))
        callers = stack.enter_context(
            closing(Process(sys.executable, _HERE / "rest_load.py", FOLDER / "pictures.json"))
        )
        settings = [*_ours(site.ask(about=1), port), *_theirs(detectors, theirs_port)]
        _measure(settings, callers, site, min(rounds, ROUNDS))
    return _text(settings, pictures)


def _measure(settings: list[Setting], callers: Process, site: Process, rounds: int) -> None:
    """Measure in turns. A first, shorter round is not counted."""
    for turn in tqdm(range(rounds + 1), "rest", unit="round"):
        for setting in settings:
            before = site.ask(about=1)["engine"]["detect"]
            seconds = TURN_S if turn else TURN_S / 2
            answer = callers.ask(**setting.question, seconds=seconds, first=setting.sent)
            after = site.ask(about=1)["engine"]["detect"]
            setting.sent += len(answer["ms"]) + len(answer["errors"])
            setting.errors += answer["errors"]
            if not turn:
                continue
            setting.per_s.append(len(answer["ms"]) / answer["elapsed_s"])
            setting.ms += answer["ms"]
            setting.faces += answer["faces"]
            setting.named += answer["named"]
            setting.right += answer["right"]
            if setting.is_ours and after["batches"] > before["batches"]:
                items, batches = (after[key] - before[key] for key in ("items", "batches"))
                setting.batch.append(items / batches)


def _ours(about: dict[str, Any], port: int) -> list[Setting]:
    def setting(preset: str, clients: int) -> Setting:
        name = f"ours, {preset}, {clients} client{'s' if clients > 1 else ''}"
        question = {
            "host": f"127.0.0.1:{port}",
            "path": f"/api/v1/identify?collection={about['collections'][preset]}",
            "headers": {"Authorization": f"Bearer {about['key']}"},
            "clients": clients,
            "group": len(FACES),
        }
        return Setting(name, question)

    return [setting(preset, clients) for preset in PRESETS for clients in (1, CLIENTS)]


def _theirs(detectors: list[str], port: int) -> list[Setting]:
    def setting(detector: str, method: str) -> Setting:
        form = {"model_name": "Dlib", "detector_backend": detector, "search_method": method}
        question = {
            "host": f"127.0.0.1:{port}",
            "path": "/search",
            "form": form,
            "clients": 1,
            "group": len(FACES),
        }
        return Setting(f"DeepFace, {detector}, {method} search", question)

    return [setting(detector, method) for detector in detectors for method in ("exact", "ann")]


def _text(settings: list[Setting], pictures: int) -> str:
    rows = [
        [
            setting.name,
            f"{setting.speed:.2f}",
            f"{setting.percentile(50):.0f}",
            f"{setting.percentile(95):.0f}",
            f"{setting.faces / max(1, len(setting.ms)):.1f}",
            f"{setting.named / max(1, len(setting.ms)):.1f}",
            f"{setting.right / max(1, len(setting.ms)):.1f}",
            str(len(setting.errors)),
        ]
        for setting in settings
    ]
    head = ["640x480 JPEG, one client where nothing is said", "pictures a second", "p50 ms"]
    head += ["p95 ms", "faces a picture", "named", "rightly", "errors"]
    return "\n\n".join(
        [
            "## From a picture to names, over HTTP",
            table(head, rows),
            _against_theirs(settings),
            "\n".join(_together(settings, preset) for preset in PRESETS),
            f"{pictures} pictures with {FACES[0]} to {FACES[-1]} people, {PEOPLE:,} people in each "
            "gallery: those of the pictures by another photo where there is one, and random "
            "templates. Ours is `manage.py serve` with SQLite, an API key and the audit log, "
            "smallest face 40; DeepFace is its app under gunicorn with one worker, as in its own "
            "image, with its SQLite store: `exact` is its ordinary search, `ann` its FAISS "
            f"index, which lists named faces only. Names follow each one's own threshold. "
            f"Everybody took turns of {TURN_S:g} seconds and on to a whole row of 1 to 5 people, "
            f"{len(settings[0].per_s)} times; pictures a second are the median of the turns.",
            *_errors(settings),
        ]
    )


def _against_theirs(settings: list[Setting]) -> str:
    """Our single client against theirs: the median over the rounds, each of which had both."""
    lines = []
    for preset in PRESETS:
        ours = next(s for s in settings if f"ours, {preset}, 1 " in s.name)
        ratios = [
            f"{setting.name.removeprefix('DeepFace, ')} "
            f"{np.median(np.divide(ours.per_s, setting.per_s)):.1f}"
            for setting in settings
            if not setting.is_ours and min(setting.per_s, default=0.0) > 0
        ]
        what = "the same network" if preset == _SAME else "our default"
        lines.append(f"Times faster than DeepFace with {preset} ({what}): {', '.join(ratios)}.")
    return "\n".join(lines)


def _together(settings: list[Setting], preset: str) -> str:
    one, many = (s for s in settings if f"ours, {preset}," in s.name)
    speed = np.median(np.divide(many.per_s, one.per_s))
    return (
        f"{CLIENTS} clients at once with {preset}: {np.median(many.batch):.1f} pictures in a mean "
        f"batch, {speed:.2f} times the pictures a second of one client, p95 "
        f"{many.percentile(95) / one.percentile(95):.1f} times."
    )


def _errors(settings: list[Setting]) -> list[str]:
    first = {s.name: s.errors[0].splitlines()[0][:160] for s in settings if s.errors}
    return [f"The first error of {name}: {error}" for name, error in first.items()]


def _site(weights: Path, port: int) -> Process:
    arguments = (FOLDER / "site", weights.resolve(), FOLDER / "people", str(port))
    return Process(sys.executable, _HERE / "rest_site.py", *arguments)


def _deepface(weights: Path, data: Path, port: int) -> tuple[Process, list[str]]:
    """Its server, and the detectors that it has files for."""
    python = peer_python("deepface")
    home = FOLDER / "deepface"
    files = home / ".deepface" / "weights"
    files.mkdir(parents=True)
    shutil.copy(ensure(_SAME, weights)[_DLIB_FILE], files / _DLIB_FILE)
    yunet = next(iter(sorted((data / "models").glob("face_detection_yunet*.onnx"))), None)
    if yunet:
        shutil.copy(yunet, files / _YUNET_NAME)
    detectors = ["mtcnn", "yunet"] if yunet else ["mtcnn"]
    script = _HERE / "peer_scripts" / "deepface_serve.py"
    arguments = (home, home / "store.sqlite", FOLDER / "people", str(PEOPLE), str(port))
    return Process(python, script, *arguments, ",".join(detectors)), detectors


def lay_out(weights: Path, data: Path) -> int:
    """Write the pictures that are sent, and a photo of each person in them; how many pictures."""
    enrolled = FOLDER / "people"
    enrolled.mkdir(parents=True)
    people = _people(weights, data)
    listed = []
    for number, count in enumerate(FACES * TIMES):
        shown = list(islice(people, count))
        for name, photo, _ in shown:
            (enrolled / f"{name}.jpg").write_bytes(photo)
        file = FOLDER / f"picture{number}.jpg"
        tiles = [decode_image(photo) for _, _, photo in shown]
        file.write_bytes(encode_jpeg(_tiled(tiles), _JPEG_QUALITY))
        listed.append({"file": str(file), "people": [name for name, _, _ in shown]})
    (FOLDER / "pictures.json").write_text(json.dumps(listed))
    return len(listed)


def _people(weights: Path, data: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """A name, a photo to enrol and a photo to show. Repeated if there are few people."""
    folders = sorted((data / "lfw").iterdir()) if (data / "lfw").is_dir() else []
    for folder in folders:
        photos = sorted(folder.glob("*.jpg"))
        if len(photos) > 1:
            yield folder.name, photos[0].read_bytes(), photos[1].read_bytes()
    samples = {name: path.read_bytes() for name, path in fetch("samples", weights).items()}
    while True:
        yield "Barack Obama", samples["obama.jpg"], samples["obama2.jpg"]
        yield "Joe Biden", samples["biden.jpg"], samples["biden.jpg"]


def _tiled(photos: list[Image]) -> Image:
    """Photos in rows of three, on black."""
    columns = min(len(photos), 3)
    rows = [photos[start : start + columns] for start in range(0, len(photos), columns)]
    width, height = SIZE[0] // columns, SIZE[1] // len(rows)
    canvas = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for row, line in enumerate(rows):
        for column, photo in enumerate(line):
            scale = min(width / photo.shape[1], height / photo.shape[0])
            size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
            top, left = row * height, column * width
            canvas[top : top + size[1], left : left + size[0]] = cv2.resize(
                photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            )
    return canvas


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def closing(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.close()
