"""The clock of a sensor survives the encoders that are on its way."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from benchmarks.cameras.clock import CLOCK_SIZE, draw_clock, ms_since, read_clock
from benchmarks.cameras.streams import encoder_of
from ml_engine.images import decode_image, encode_jpeg
from ml_engine.types import Image

_MS = (0, 1, 2**31 + 5, 2**32 - 1, 1_234_567_890)


def _grey(ms: int) -> Image:
    luma = np.full((480, 640), 90, np.uint8)
    draw_clock(luma, ms)
    return np.asarray(cv2.cvtColor(luma, cv2.COLOR_GRAY2RGB), np.uint8)


@pytest.mark.parametrize("ms", _MS)
def test_clock_is_read_as_it_was_drawn(ms: int) -> None:
    assert read_clock(_grey(ms)) == ms
    assert read_clock(decode_image(encode_jpeg(_grey(ms), 60))) == ms


def test_clock_of_every_frame_survives_h264() -> None:
    encoder = encoder_of((640, 480), fps=25, kbit=300, preset="ultrafast")
    decoder = av.CodecContext.create("h264", "r")
    read = []
    for number, ms in enumerate(_MS):
        frame = av.VideoFrame.from_ndarray(_grey(ms), format="rgb24")
        frame.pts = number
        for packet in [*encoder.encode(frame), *([None] if ms == _MS[-1] else [])]:
            read += [
                np.asarray(one.to_ndarray(format="rgb24"), np.uint8)
                for one in decoder.decode(packet)
            ]
    assert [read_clock(image) for image in read] == list(_MS)


def test_picture_without_a_clock_has_no_time() -> None:
    assert read_clock(np.full((480, 640, 3), 128, np.uint8)) is None
    torn = _grey(7)
    torn[: CLOCK_SIZE[1] // 4, : CLOCK_SIZE[0]] = 128
    assert read_clock(torn) is None


def test_time_since_a_clock_passes_its_end() -> None:
    assert ms_since(1000, 1.25) == 250
    assert ms_since(2**32 - 10, (2**32 + 20) / 1000) == pytest.approx(30)
    assert ms_since(1000, 0.99) == pytest.approx(-10)
