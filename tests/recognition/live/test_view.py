"""Frames that become RGB only if somebody needs that."""

from __future__ import annotations

import av
import numpy as np
import pytest

from ml_engine import ImageError
from ml_engine.quality import is_too_dark
from recognition.cameras.pictures import Converters, VideoPicture
from recognition.live.view import View
from tests.fakes import photo


def _video_view(light: int) -> View:
    picture = np.full((180, 320, 3), light, np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
    return View(VideoPicture(frame, Converters()))


def test_frame_of_a_video_is_compared_without_its_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: VideoPicture) -> None:
        raise AssertionError("converted to RGB")

    monkeypatch.setattr(VideoPicture, "__call__", refuse)
    view = _video_view(100)
    assert (view.size, view.grey.shape) == ((320, 180), (90, 160))


def test_frame_of_a_video_is_too_dark_at_the_same_light_as_a_picture() -> None:
    for light in (2, 8, 30, 100):
        picture = View(np.full((180, 320, 3), light, np.uint8))
        assert is_too_dark(_video_view(light).grey) == is_too_dark(picture.grey)


def test_frame_that_was_sent_as_jpeg_has_its_size_and_grey_copy() -> None:
    view = View(photo(1))
    height, width = view.image.shape[:2]
    assert view.size == (width, height)
    assert max(view.grey.shape) == 160


def test_frame_that_is_no_picture_is_refused() -> None:
    with pytest.raises(ImageError):
        _ = View(b"no picture").grey
