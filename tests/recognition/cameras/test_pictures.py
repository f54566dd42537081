"""Frames as pictures."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from recognition.cameras.pictures import Converters, VideoPicture


@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuvj420p", "yuvj422p", "yuv420p10le", "nv12", "gray", "bgr24"]
)
def test_grey_copy_of_a_video_is_as_bright_as_its_picture(pixels: str) -> None:
    """Most videos use only a part of the range of brightness; JPEGs use all of it."""
    columns = np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None]
    image = np.ascontiguousarray(np.broadcast_to(columns, (180, 320, 3)))
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
    grey = VideoPicture(frame, Converters()).grey(160, 90)
    expected = cv2.cvtColor(cv2.resize(image, (160, 90)), cv2.COLOR_RGB2GRAY)
    assert grey.shape == (90, 160)
    assert np.abs(grey.astype(int) - expected).max() <= 3
