"""Small videos for tests, of people as `tests.fakes` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from tests.fakes import portrait

_SIDE = 240


def write_video(
    path: Path, scenes: Sequence[tuple[float, tuple[int, ...]]], *, fps: int = 10
) -> Path:
    """Each scene is so many seconds of these people; none is an empty room."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height = 2 * _SIDE, _SIDE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for seconds, people in scenes:
            picture = np.asarray(
                cv2.resize(portrait(*people, size=80, looks=1), (2 * _SIDE, _SIDE)), np.uint8
            )
            for _ in range(round(seconds * fps)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
