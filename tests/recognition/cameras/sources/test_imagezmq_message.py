"""What is taken from a message of ImageZMQ, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ml_engine.images import encode_jpeg
from recognition.cameras.sources import imagezmq_message as module
from recognition.cameras.sources.base import Remark
from recognition.cameras.sources.imagezmq_message import (
    BadMessage,
    Received,
    played,
    received_of,
)
from tests.fakes import photo

JPEG = photo(1)
PIXELS = np.arange(24 * 30 * 3, dtype=np.uint8).reshape(24, 30, 3)


def _raw(pixels: Any, **header: Any) -> list[bytes]:
    values = {"msg": "door", "dtype": "uint8", "shape": list(pixels.shape), **header}
    return [json.dumps(values).encode(), pixels.tobytes()]


def _jpg(text: Any = "door", body: bytes = JPEG) -> list[bytes]:
    return [json.dumps({"msg": text}).encode(), body]


def test_jpeg_is_passed_on_as_it_is() -> None:
    assert received_of(_jpg()) == Received("door", "", JPEG)


@pytest.mark.parametrize("shape", [(24, 30), (24, 30, 1), (24, 30, 3), (24, 30, 4)])
def test_pixels_of_opencv_become_rgb(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    picture = received_of(_raw(pixels)).picture
    assert callable(picture)
    channels = pixels.reshape(24, 30, -1)
    expected = channels[..., 2::-1] if channels.shape[2] > 1 else np.repeat(channels, 3, axis=2)
    assert np.array_equal(picture(), expected)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("barn door|jpg", "barn door"),
        (" door ", "door"),
        (7, "7"),
        (None, "None"),
        ("a\n\x1bb|", "ab"),
        ("x" * 500, "x" * 100),
        ("", ""),
    ],
)
def test_first_part_of_the_text_is_the_name(text: Any, name: str) -> None:
    received = received_of(_jpg(text))
    assert (received.name, received.text) == (name, "")


@pytest.mark.parametrize("is_jpeg", [True, False])
def test_text_comes_with_a_tiny_picture_that_is_not_recognised(is_jpeg: bool) -> None:
    tiny = np.zeros((3, 3), np.uint8)
    text = "barn door|motion|moving"
    jpeg = encode_jpeg(np.zeros((3, 3, 3), np.uint8), 90)
    message = _jpg(text, jpeg) if is_jpeg else _raw(tiny, msg=text)
    assert received_of(message) == Received("barn door", "motion moving", None)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"one part"],
        [*_jpg(), b"a third"],
        [b"\xff\xfe", JPEG],
        [b"[1]", JPEG],
        [b"[" * 3000, JPEG],
        [b'{"shape": [1]}', JPEG],
        [b'{"msg": "' + b"x" * 5000 + b'"}', JPEG],
        _jpg(body=b""),
        _jpg(body=b"no picture"),
        _jpg(body=b"\xff\xd8 broken"),
        _raw(PIXELS, dtype="float32"),
        _raw(PIXELS, dtype=["uint8"]),
        _raw(PIXELS, shape=None),
        _raw(PIXELS, shape="24"),
        _raw(PIXELS, shape=[24, 30, 2]),
        _raw(PIXELS, shape=[24, 30.0, 3]),
        _raw(PIXELS, shape=[True, 30, 3]),
        _raw(PIXELS, shape=[-24, -30, 3]),
        _raw(PIXELS, shape=[24, 31, 3]),
        _raw(PIXELS, shape=[10**9, 10**9, 3]),
        _raw(PIXELS, shape=[24, 30, 3, 1]),
        _raw(PIXELS, shape=[2160]),
    ],
)
def test_message_that_lies_or_is_no_picture_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        received_of(parts)


def test_too_large_pictures_are_refused(monkeypatch: Any, settings: Any) -> None:
    settings.MAX_FRAME_BYTES = len(JPEG) - 1
    with pytest.raises(BadMessage, match="MAX_FRAME_MB"):
        received_of(_jpg())
    monkeypatch.setattr(module, "MAX_PIXELS", 24 * 30 - 1)
    with pytest.raises(BadMessage, match="megapixels"):
        received_of(_raw(PIXELS))


def test_refusal_names_the_sender_if_it_is_known() -> None:
    with pytest.raises(BadMessage) as refused:
        received_of(_jpg("door|jpg", b"no picture"))
    assert refused.value.name == "door"


def test_silence_texts_and_problems_become_remarks_between_the_pictures() -> None:
    picture = Received("door", "", JPEG)
    problem = Remark("in use", is_waiting=True)
    incoming = [None, None, picture, picture, None, Received("door", "hot", None), picture, problem]
    assert list(played([*incoming, problem, picture], "Waiting.")) == [
        Remark("Waiting.", is_waiting=True),
        Remark(""),
        JPEG,
        JPEG,
        Remark("Its sender says: hot"),
        JPEG,
        problem,
        Remark(""),
        JPEG,
    ]
