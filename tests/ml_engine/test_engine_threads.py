"""One engine, many threads, real weights."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.types import Face, Image

pytestmark = pytest.mark.weights

ROUNDS = 25


@pytest.fixture(scope="module")
def pictures(sample_photo: Callable[[str], bytes]) -> dict[str, Image]:
    """Unlike pictures of one size, so that they share batches."""
    return {name: _framed(decode_image(sample_photo(name))) for name in ("obama", "biden")}


def _framed(picture: Image) -> Image:
    import cv2

    scale = min(640 / picture.shape[1], 480 / picture.shape[0])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return frame


def _vector(faces: list[Face]) -> np.ndarray:
    assert len(faces) == 1
    assert faces[0].embedding is not None
    return faces[0].embedding


def test_threads_never_get_each_others_faces(
    real_engine: FaceEngine, pictures: dict[str, Image]
) -> None:
    wanted = {name: real_engine.analyze([image])[0] for name, image in pictures.items()}
    strangers = float(_vector(wanted["obama"]) @ _vector(wanted["biden"]))
    assert strangers < 0.5, "the two pictures must differ, or this test says nothing"
    wrong: list[str] = []
    start = threading.Barrier(4)

    def hammer(name: str) -> None:
        start.wait()
        for _ in range(ROUNDS):
            faces = real_engine.analyze([pictures[name]])[0]
            similarity = float(_vector(faces) @ _vector(wanted[name]))
            moved = float(np.abs(faces[0].box - wanted[name][0].box).max())
            if similarity < 0.999 or moved > 1:
                wrong.append(f"{name}: similarity {similarity:.3f}, box {moved:.1f} pixels off")

    threads = [threading.Thread(target=hammer, args=(name,)) for name in [*pictures] * 2]
    batches = real_engine.stats()["detect"]["batches"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    batches = real_engine.stats()["detect"]["batches"] - batches
    assert batches < 4 * ROUNDS, "no two calls ever shared a batch, so this test says nothing"


def test_a_bad_picture_fails_before_it_joins_a_batch(
    real_engine: FaceEngine, pictures: dict[str, Image]
) -> None:
    with pytest.raises(ValueError, match="RGB uint8"):
        real_engine.analyze([pictures["obama"], np.zeros((10, 10), np.uint8)])
    assert len(real_engine.analyze([pictures["obama"]])[0]) == 1
