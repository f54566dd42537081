"""Fits the classifiers of `ml_engine.covers`: aligned faces of LFW against the same faces under
drawn covers. Half of the people are kept out of the fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.covers import PARTS, patch
from ml_engine.engine import Engine
from ml_engine.images import decode_image
from ml_engine.quality import CROP_PX
from ml_engine.request import Wanted
from ml_engine.types import Float32

_EVERY = 2  # photo of LFW
_STRENGTH = 0.003  # of the regularisation, inverse
_SEED = 0


def fit_covers(engine: Engine, photos: Path) -> dict[str, Any]:
    """Weights and bias of each part, and at which score 1 % of the faces in full view that were not
    in the fit lie, and the share of their covered copies below it."""
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(_SEED)
    fitted, others = _crops(engine, photos)
    stored: dict[str, Any] = {}
    for part in PARTS:
        clear = [patch(copy, part) for crop in fitted for copy in _copies(crop, random)]
        hidden = [patch(_covered(crop, part, random), part) for crop in fitted for _ in range(2)]
        truth = np.repeat([1, 0], [len(clear), len(hidden)])
        model = LogisticRegression(C=_STRENGTH, max_iter=300).fit([*clear, *hidden], truth)
        seen = model.decision_function([patch(crop, part) for crop in others])
        unseen = [patch(_covered(crop, part, random), part) for crop in others]
        limit = float(np.percentile(seen, 1))
        stored[part] = {
            "bias": round(float(model.intercept_[0]), 4),
            "weights": [round(float(weight), 4) for weight in model.coef_[0]],
            "limit": limit,
            "told": float(np.mean(model.decision_function(unseen) < limit)),
        }
    return stored


def write_covers(stored: dict[str, Any], path: Path) -> None:
    kept = {part: {k: v[k] for k in ("bias", "weights")} for part, v in stored.items()}
    path.write_text(json.dumps(kept) + "\n")


def _crops(engine: Engine, photos: Path) -> tuple[list[Float32], list[Float32]]:
    """Grey crops (112, 112) of every second person, and of the others."""
    parts: tuple[list[Float32], list[Float32]] = ([], [])
    people: dict[str, int] = {}
    for path in sorted(photos.glob("*/*.jpg"))[::_EVERY]:
        image = decode_image(path.read_bytes())
        faces = engine.find([image], Wanted(max_faces=1))[0]
        number = people.setdefault(path.parent.name, len(people))
        for face in faces:
            crop = align_faces(image, face.landmarks[None], TEMPLATE_112, CROP_PX)[0]
            grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
            parts[number % 2].append(grey)
    return parts


def _copies(crop: Float32, random: np.random.Generator) -> list[Float32]:
    """A face in full view, as it is or blurred, and mirrored."""
    blurred = cv2.GaussianBlur(crop, (0, 0), random.uniform(0.5, 4))
    first = np.asarray(blurred, np.float32) if random.random() < 0.3 else crop
    return [first, np.ascontiguousarray(crop[:, ::-1])]


def _covered(crop: Float32, part: str, random: np.random.Generator) -> Float32:
    """The part under something of any shade: a hand, a cloth, glasses."""
    jitter = random.uniform(-5, 5, (5, 2))
    if part == "eyes":
        height = random.uniform(9, 16)
        corners = [(12, 52 - height), (100, 52 - height), (100, 52 + height), (12, 52 + height)]
    else:
        corners = [(18, 74), (56, 67), (94, 74), (90, 112), (22, 112)]
    outline = (np.array(corners) + jitter[: len(corners)]).astype(np.int32)
    mask = np.zeros(crop.shape, np.uint8)
    cv2.fillPoly(mask, [outline], 255)
    share = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.5, 2)).astype(np.float32) / 255
    return np.asarray(crop * (1 - share) + _cloth(crop.shape, random) * share, np.float32)


def _cloth(shape: tuple[int, ...], random: np.random.Generator) -> Float32:
    """A shade, with folds, light from one side, and grain."""
    folds = cv2.GaussianBlur(random.normal(0, 1, shape), (0, 0), random.uniform(2, 12))
    across = np.linspace(-1, 1, shape[1])[None, :] * random.uniform(-25, 25)
    down = np.linspace(-1, 1, shape[0])[:, None] * random.uniform(-25, 25)
    cloth = random.uniform(15, 230) + folds * random.uniform(0, 200) + across + down
    return np.clip(cloth + random.normal(0, 2, shape), 0, 255).astype(np.float32)
