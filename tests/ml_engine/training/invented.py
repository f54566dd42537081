"""Invented people: patterns that differ from person to person and a little from picture to
picture, so that a small network learns to tell them apart in seconds."""

from __future__ import annotations

import cv2
import numpy as np

from ml_engine.networks.design import Design
from ml_engine.recipe import Settings
from ml_engine.training.data import Faces

SIZE = 16
TINY = Design(network="cnn", size=SIZE, width=0.125, dimension=16, kernel=3, stride=1)
# Five steps in an epoch of ten people with eight pictures each.
QUICK = Settings(
    design=TINY, people=4, pictures=4, epochs=4, loss="softmax", augmentation="weak", save_every=4
)


def invented_people(people: int = 10, pictures: int = 8, *, seed: int = 0) -> Faces:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(people):
        face = cv2.resize(random.uniform(0, 255, (5, 5)), (SIZE, SIZE))
        for _ in range(pictures):
            seen = random.uniform(0.7, 1.1) * face + random.normal(0, 25, face.shape)
            found.append(np.clip(seen, 0, 255).astype(np.uint8)[..., None])
    owners = np.repeat(np.arange(people), pictures).astype(np.intp)
    return Faces(np.stack(found), owners, [f"person {seed}/{number}" for number in range(people)])
