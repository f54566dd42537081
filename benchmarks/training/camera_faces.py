"""LFW's faces, aligned as in service, each clean and as a synthetic camera would give it."""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import ROOT
from ml_engine import EngineConfig, load_engine
from ml_engine.evaluation.collect import nearest_centre
from ml_engine.training.adapt import CameraPairs, Pixels
from ml_engine.training.data import Faces, load_folder, read_records, write_records
from ml_engine.types import Image

_SIZE = 112
_KEPT = ROOT / "var" / "training"


@dataclass(frozen=True, slots=True)
class Camera:
    """degrade: a crop as the camera gives it, by a seed. split_people: names to three parts."""

    degrade: Callable[[Image, int], Image]
    split_people: Callable[[list[str]], tuple[list[str], list[str], list[str]]]


def load_camera(path: Path) -> Camera:
    """The module at `path`, which is run."""
    spec = importlib.util.spec_from_file_location("camera", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"There is no camera {path}: give one with --camera.")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Camera(module.degrade, module.split_people)


def load_faces(data: Path, weights: Path) -> Faces:
    """Every photo of LFW in which the detector finds a face; kept below `var` for the next time."""
    engine = load_engine(EngineConfig(weights_dir=weights))
    kept = _KEPT / f"lfw-{engine.detector}.tfrecord"
    try:
        if not kept.exists():
            faces = load_folder(data, size=_SIZE, channels=3, engine=engine, choose=nearest_centre)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_records(faces, kept.with_suffix(".part"))
            kept.with_suffix(".part").replace(kept)
        return read_records(kept, size=_SIZE, channels=3)
    finally:
        engine.close()


def load_parts(data: Path, camera: Camera, weights: Path) -> tuple[Faces, Faces, Faces]:
    """People to train on, to choose by, and to test on."""
    faces = load_faces(data, weights)
    number = {name: person for person, name in enumerate(faces.names)}
    known, others, test = (
        faces.of([number[name] for name in part if name in number])
        for part in camera.split_people([path.name for path in data.iterdir() if path.is_dir()])
    )
    return known, others, test


def seen(faces: Faces, camera: Camera, version: int) -> Pixels:
    """The faces as the camera gives them, (n, size, size, 3); each version is another draw."""
    return np.stack(
        [
            camera.degrade(picture, zlib.crc32(picture.tobytes()) + version)
            for picture in faces.pictures
        ]
    )


def camera_pairs(faces: Faces, camera: Camera, versions: int) -> CameraPairs:
    rows: NDArray[np.intp] = np.tile(np.arange(len(faces)), versions)
    views = [seen(faces, camera, version) for version in range(1, versions + 1)]
    return CameraPairs(faces.pictures, np.concatenate(views), rows, faces.people)
