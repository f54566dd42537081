"""`python -m benchmarks.turns`: are photos enrolled that lie on their side or stand on their head?

Each photo of lfw/, photos/ and celebs5/ is inspected as an enrolment does it: as it is, and turned
by 90, 180 and 270 degrees, without an EXIF note. The benchmark fails unless 98 % of the photos that
are enrolled upright are enrolled in each turn with the same face (similarity over .9), and unless
no photo is enrolled with a face that is unlike every face that is found in it upright.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from benchmarks.document import table
from benchmarks.machine import stamp
from benchmarks.own_site import set_up
from ml_engine.detection.turns import turn_image
from ml_engine.evaluation.lfw import PICTURES
from ml_engine.images import decode_image, encode_png
from ml_engine.request import PHOTO
from ml_engine.types import Float32, Image
from ml_engine.zoo import default_weights_dir

if TYPE_CHECKING:
    from recognition.people.models import Collection

_FOLDERS = ("lfw", "photos", "celebs5")
_TURNS = (90, 180, 270)
_LEAST_ENROLLED, _LEAST_SIMILARITY = 0.98, 0.9
_SEED = 1
_CALLERS = 4
_LOADING_S = 120


@dataclass(frozen=True, slots=True)
class Look:
    """vector: (d,) of the face that would be enrolled; None if the photo is refused with `code`."""

    vector: Float32 | None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Looks:
    """A photo. upright: as it is. turned: by degrees. faces: vectors (d,) of all faces
    found in it as it is."""

    photo: str
    upright: Look
    turned: dict[int, Look]
    faces: Sequence[Float32]

    def similarity(self, turn: int) -> float | None:
        """Of the face enrolled in this turn to the most similar upright one; None if refused."""
        vector = self.turned[turn].vector
        if vector is None:
            return None
        return max((float(face @ vector) for face in self.faces), default=-1.0)


@dataclass(frozen=True, slots=True)
class TurnReport:
    """The photos of a folder in one turn. similarities: of the photos that are enrolled in both.
    refused, unlike: photos with the reason."""

    turn: int
    upright: int
    similarities: list[float]
    only_turned: int
    refused: list[str]
    unlike: list[str]

    @classmethod
    def of(cls, found: Sequence[Looks], turn: int) -> TurnReport:
        upright = [each for each in found if each.upright.vector is not None]
        similarities = {each.photo: each.similarity(turn) for each in found}
        scored = {photo: score for photo, score in similarities.items() if score is not None}
        return cls(
            turn,
            upright=len(upright),
            similarities=[scored[each.photo] for each in upright if each.photo in scored],
            only_turned=len(scored.keys() - {each.photo for each in upright}),
            refused=[
                f"{each.photo}: {each.turned[turn].code}"
                for each in upright
                if each.photo not in scored
            ],
            unlike=[
                f"{photo}: {score:.3f}"
                for photo, score in scored.items()
                if score <= _LEAST_SIMILARITY
            ],
        )

    @property
    def is_kept(self) -> bool:
        alike = sum(score > _LEAST_SIMILARITY for score in self.similarities)
        return alike >= _LEAST_ENROLLED * self.upright and not self.unlike

    def row(self) -> list[str]:
        enrolled = len(self.similarities)
        return [
            f"{self.turn}°",
            f"{self.upright:,}",
            f"{enrolled:,} ({enrolled / max(self.upright, 1):.1%})",
            f"{np.median(self.similarities or [0]):.3f}",
            f"{min(self.similarities, default=0):.3f}",
            f"{self.only_turned}",
            f"{len(self.unlike)}",
        ]


def main() -> int:
    options = _parser().parse_args()
    command = stamp(
        f"python -m benchmarks.turns --data DIR --photos {options.photos} "
        f"--folders {' '.join(options.folders)}"
    )
    rows, is_kept = [], True
    with tempfile.TemporaryDirectory(prefix="facerec-turns-") as name:
        set_up(Path(name), options.weights, ENGINE_DEADLINE_S="600")
        _start_engine()
        for folder in options.folders:
            found = _looks(options.data / folder, options.photos)
            for turn in _TURNS:
                report = TurnReport.of(found, turn)
                rows.append([f"{folder}, {len(found):,}", *report.row()])
                is_kept = is_kept and report.is_kept
                print(f"{folder}, {turn}: {report.refused=} {report.unlike=}", flush=True)
    head = ["photos", "turned by", "enrolled upright", "of these turned", "median similarity"]
    print(table([*head, "least", "enrolled turned only", "unlike"], rows))
    print(f"\n{command}")
    return 0 if is_kept else 1


def _start_engine() -> None:
    from recognition.engine import get_engine, start_engine

    start_engine()
    get_engine(wait_s=_LOADING_S)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns")
    about = "folder with lfw/, photos/ and celebs5/"
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=about)
    about = "so many photos of each, at random"
    parser.add_argument("--photos", type=int, default=4000, metavar="N", help=about)
    parser.add_argument("--folders", nargs="+", default=_FOLDERS, choices=_FOLDERS)
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    return parser


def _looks(folder: Path, most: int) -> list[Looks]:
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if len(photos) > most:
        photos = sorted(random.Random(_SEED).sample(photos, most))
    look = partial(_look_at_each, _collection(folder.name), folder)
    with ThreadPoolExecutor(_CALLERS) as pool:
        return list(tqdm(pool.map(look, photos), folder.name, len(photos), unit="photo"))


def _collection(name: str) -> Collection:
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.services.collections import collection_create
    from recognition.people.services.identification import default_embedder

    embedder = ensure_model_version(default_embedder())
    return collection_create(actor=SYSTEM, name=name, embedder=embedder)


def _look_at_each(collection: Collection, folder: Path, path: Path) -> Looks:
    data = path.read_bytes()
    image = decode_image(data)
    return Looks(
        photo=str(path.relative_to(folder)),
        upright=_look(collection, data),
        turned={turn: _look(collection, encode_png(turn_image(image, turn))) for turn in _TURNS},
        faces=_faces(collection, image),
    )


def _look(collection: Collection, data: bytes) -> Look:
    from recognition.people.services.inspection import Inspection, PictureRefused

    try:
        found = Inspection(collection, None, caller="bench").look_at_upload(data)
    except PictureRefused as refused:
        return Look(None, refused.code)
    return Look(found.face.embedding)


def _faces(collection: Collection, image: Image) -> list[Float32]:
    """Vectors (d,) of all faces, as an enrolment finds them."""
    from recognition.engine import get_engine

    faces = get_engine().analyze([image], PHOTO, embedder=collection.embedder.version, flip=True)[0]
    return [face.embedding for face in faces if face.embedding is not None]


if __name__ == "__main__":
    sys.exit(main())
