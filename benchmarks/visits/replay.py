"""An engine that finds each picture of a person once for real and then repeats what it found.

The picture of one person on a plain wall is detected and embedded by the real networks, once for
each `View`, and kept in a file. In a frame the result is moved to where the person stands. A frame
in which two people overlap goes through the real engine as a whole. Quality is measured anew in
each run, by the code under test.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.visits.pictures import Anatomy, Sprite, View, draw, read_photo, wall
from benchmarks.visits.scenes import Placed
from ml_engine import Face, quality
from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.config import EngineConfig
from ml_engine.engine import FaceEngine
from ml_engine.executor import LocalExecutor
from ml_engine.request import EVERY_FACE, ORDINARY, PHOTO, Ask, Region, Wanted
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.types import Float32, Image
from ml_engine.zoo import EmbedderCard

MIN_FACE_PX = 40
_MARGIN = 40
# People nearer to each other than this, in widths of a face, hide each other.
_OVERLAP = 2.2


class Bank:
    """Found faces by view: relative to the middle of the face, with embedding; None if no face was
    found. Kept in `path`."""

    def __init__(self, weights: Path, photos: Path, path: Path) -> None:
        self._executor = LocalExecutor(EngineConfig(weights_dir=weights))
        self.real = FaceEngine(self._executor, EngineConfig(weights_dir=weights))
        self._photos, self._path = photos, path
        self._found: dict[View, Face | None] = {}
        self._anatomies: dict[str, Anatomy] = {}
        self._sprites: dict[View, Sprite] = {}
        self._measured: dict[View, Face | None] = {}
        if path.exists():
            self._found = pickle.loads(path.read_bytes())

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(pickle.dumps(self._found))

    def forget(self) -> None:
        """Keep no pictures of people who are not shown any more."""
        self._anatomies.clear()
        self._sprites.clear()
        self._measured.clear()

    def sprite(self, view: View) -> Sprite:
        if view not in self._sprites:
            self._sprites[view] = draw(view, self.anatomy(view.photo))
        return self._sprites[view]

    def anatomy(self, photo: str) -> Anatomy:
        """The face nearest to the middle of a photo."""
        if photo not in self._anatomies:
            image = read_photo(self._photos / photo)
            middle = np.array(image.shape[1::-1], np.float32) / np.float32(2)
            face = min(self.real.find([image], PHOTO)[0], key=lambda f: _distance(f.box, middle))
            self._anatomies[photo] = Anatomy(image, face.box, face.landmarks)
        return self._anatomies[photo]

    def face(self, view: View) -> Face | None:
        """Relative to the middle of the face, with the quality that is measured today."""
        if view not in self._measured:
            self._measured[view] = self._measure(view)
        return self._measured[view]

    def _measure(self, view: View) -> Face | None:
        if view not in self._found:
            self._found[view] = self._find(view)
        found = self._found[view]
        if found is None:
            return None
        image, centre = self._alone(view)
        placed = _moved(found, centre)
        crop = align_faces(image, placed.landmarks[None], TEMPLATE_112, quality.CROP_PX)[0]
        return replace(found, quality=quality.measure(placed, crop, image))

    def _find(self, view: View) -> Face | None:
        image, centre = self._alone(view)
        wanted, ticket = Wanted(min_face_px=MIN_FACE_PX), Ticket.issue(ORDINARY)
        (faces,) = self._executor.detect([image], wanted, ticket=ticket, timings=None)
        near = [face for face in faces if _distance(face.box, centre) < 0.5 * view.width_px]
        if not near:
            return None
        (face,) = self.real.embed(image, [min(near, key=lambda f: _distance(f.box, centre))])
        return _moved(replace(face, quality=None), -centre)

    def _alone(self, view: View) -> tuple[Image, Float32]:
        """The person on a plain wall, and the middle of the face."""
        sprite = self.sprite(view)
        side = sprite.mask.shape[0] + 2 * _MARGIN
        image = wall(side, side)
        centre = sprite.centre + _MARGIN
        sprite.paste(image, *centre)
        return image, centre


class ReplayEngine:
    """The part of `ml_engine.engine.Engine` that a live stream uses. `show` comes first.

    is_real: nothing is repeated, and every frame goes through the real engine.
    """

    device = "replay"

    def __init__(self, bank: Bank, *, is_real: bool = False) -> None:
        self._bank = bank
        self._is_real = is_real
        self._placed: Sequence[Placed] = ()
        self._vectors: dict[int, Face] = {}

    def show(self, placed: Sequence[Placed]) -> None:
        """Who is in the next frame."""
        self._placed = placed

    def find(
        self, images: Sequence[Image], wanted: Wanted = EVERY_FACE, ask: Ask = ORDINARY
    ) -> list[list[Face]]:
        self._vectors = {}
        if self._is_real or _hide_each_other(self._placed):
            return self._bank.real.find(images, wanted, ask)
        faces = []
        for placed in self._placed:
            found = self._bank.face(placed.view)
            if found is not None:
                shift = np.array([round(placed.x), round(placed.y)], np.float32)
                face = _moved(replace(found, embedding=None, model=None), shift)
                self._vectors[id(face)] = found
                faces.append(face)
        height, width = images[0].shape[:2]
        inside = [face for face in faces if _is_inside(face, width, height)]
        if wanted.region:
            inside = [face for face in inside if _is_whole(face, wanted.region, width, height)]
        return [wanted.among(sorted(inside, key=lambda face: -face.size_px))]

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[Face]:
        if not self._vectors and faces:
            return self._bank.real.embed(image, faces, ask, embedder=embedder, flip=flip)
        stored = [self._vectors[id(face)] for face in faces]
        return [
            replace(face, embedding=found.embedding, model=found.model)
            for face, found in zip(faces, stored, strict=True)
        ]

    def embedder(self, model: str | None = None) -> EmbedderCard:
        return self._bank.real.embedder(model)


def _hide_each_other(placed: Sequence[Placed]) -> bool:
    return any(
        abs(a.x - b.x) < _OVERLAP * max(a.view.width_px, b.view.width_px)
        for a, b in combinations(placed, 2)
    )


def _is_inside(face: Face, width: int, height: int) -> bool:
    """A face is found while its middle is well within the picture."""
    x, y = (face.box[:2] + face.box[2:]) / 2
    return bool(0.1 * face.size_px < x < width - 0.1 * face.size_px and 0 < y < height)


def _is_whole(face: Face, region: Region, width: int, height: int) -> bool:
    """Whether a part of the picture shows as much of a face as the picture does."""
    x1, y1, x2, y2 = np.clip(face.box, 0, [width, height, width, height])
    return bool(region[0] <= x1 and region[1] <= y1 and x2 <= region[2] and y2 <= region[3])


def _moved(face: Face, shift: Float32) -> Face:
    shift = shift.astype(np.float32)
    return replace(face, box=face.box + np.tile(shift, 2), landmarks=face.landmarks + shift)


def _distance(box: Float32, point: Float32) -> float:
    return float(np.linalg.norm((box[:2] + box[2:]) / 2 - point))
