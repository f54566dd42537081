"""The messages of ImageZMQ, of both patterns: a header in JSON and a picture.

`send_image` sends `{"msg": …, "dtype": "uint8", "shape": [h, w, 3]}` and the pixels as OpenCV has
them (BGR); `send_jpg` sends `{"msg": …}` and a JPEG. `msg` is the sender's name, and after a `|`
what it has to say. imagenode sends its texts (`node|Heartbeat|…`) with a picture of 3 x 3 pixels.

A sender may send anything: all that the header says is checked before the picture is used.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import cv2
import numpy as np
from django.conf import settings

from ml_engine import ImageError
from ml_engine.images import pixels_of
from ml_engine.types import Image
from recognition.cameras.sources.base import Picture, Remark
from recognition.cameras.sources.decoding import MAX_PIXELS
from recognition.web.boundaries import JsonDict

_LONGEST_HEADER = 4096
# The largest part of a message that is received: pixels of three channels.
LARGEST_PART = 3 * MAX_PIXELS
_LONGEST_TEXT = 100
# A picture with fewer pixels only accompanies a text: there is no face in it.
_TINY_PIXELS = 400
# A JPEG of so few bytes may be tiny; larger ones are not.
_TINY_BYTES = 2000
_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
_BEGINNING_OF_JPEG = b"\xff\xd8"
# After this time without a message a camera says that it waits for its sender.
SILENT_S = 10.0


class BadMessage(Exception):
    """It cannot be used; the text is for the sender. name: of the sender, if it is known."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Received:
    """name: of the sender. text: what it says. picture: None if it only accompanies the text."""

    name: str
    text: str
    picture: Picture | None


def received_of(parts: Sequence[bytes]) -> Received:
    """The message of which these are the parts; BadMessage."""
    if len(parts) != 2:
        raise BadMessage("a message has two parts, a header and a picture")
    header = _header(parts[0])
    name, _, text = _printable(str(header["msg"])).partition("|")
    name = name.strip()[:_LONGEST_TEXT]
    try:
        picture = _picture(header, parts[1])
    except BadMessage as error:
        raise BadMessage(str(error), name=name) from error
    says = " ".join(text.replace("|", " ").split()) if picture is None else ""
    return Received(name, says[:_LONGEST_TEXT], picture)


def played(
    incoming: Iterable[Received | Remark | None], awaited: str
) -> Generator[Picture | Remark, None, None]:
    """The pictures of a sender, with remarks.

    incoming: None if nothing came for a moment; a Remark for what stands in the way.
    awaited: the remark while the sender is silent.
    """
    remark, heard_s = Remark(""), -math.inf
    for one in incoming:
        before = remark
        if isinstance(one, Remark):
            remark = one
        elif one is None:
            if time.monotonic() - heard_s > SILENT_S:
                remark = Remark(awaited, is_waiting=True)
        else:
            heard_s = time.monotonic()
            if one.text:
                remark = Remark(f"Its sender says: {one.text}")
            elif remark.is_waiting:
                remark = Remark("")
        if remark != before:
            yield remark
        if isinstance(one, Received) and one.picture is not None:
            yield one.picture


def _header(part: bytes) -> JsonDict:
    if len(part) > _LONGEST_HEADER:
        raise BadMessage(f"a header has {_LONGEST_HEADER} bytes at most")
    try:
        header = json.loads(part)
    except (ValueError, RecursionError) as error:
        raise BadMessage("the header is not JSON") from error
    if not isinstance(header, dict) or "msg" not in header:
        raise BadMessage("the header has no msg")
    return header


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())


def _picture(header: JsonDict, body: bytes) -> Picture | None:
    return _pixels(header, body) if "dtype" in header else _jpeg(body)


def _jpeg(body: bytes) -> Picture | None:
    if len(body) > settings.MAX_FRAME_BYTES:
        most = settings.MAX_FRAME_BYTES / 2**20
        raise BadMessage(f"the picture is larger than {most:g} MB (MAX_FRAME_MB)")
    if not body.startswith(_BEGINNING_OF_JPEG):
        raise BadMessage("the picture is not a JPEG")
    try:
        is_tiny = len(body) < _TINY_BYTES and pixels_of(body) < _TINY_PIXELS
    except ImageError as error:
        raise BadMessage("the JPEG is broken") from error
    return None if is_tiny else body


def _pixels(header: JsonDict, body: bytes) -> Picture | None:
    shape = header.get("shape")
    if header["dtype"] != "uint8":
        raise BadMessage("the dtype of a picture is uint8")
    if not _is_shape(shape):
        raise BadMessage(
            "the shape is not that of a picture: [height, width, 3] or [height, width]"
        )
    if shape[0] * shape[1] > MAX_PIXELS:
        raise BadMessage(f"the picture has more than {MAX_PIXELS / 1e6:.0f} megapixels")
    if math.prod(shape) != len(body):
        raise BadMessage(f"the shape says {math.prod(shape)} bytes, and {len(body)} came")
    if shape[0] * shape[1] < _TINY_PIXELS:
        return None
    return partial(_rgb, body, shape)


def _is_shape(shape: object) -> TypeGuard[list[int]]:
    if not isinstance(shape, list) or len(shape) not in (2, 3):
        return False
    is_whole = all(type(side) is int and side > 0 for side in shape)
    return is_whole and (len(shape) == 2 or shape[2] in _TO_RGB)


def _rgb(body: bytes, shape: list[int]) -> Image:
    channels = shape[2] if len(shape) == 3 else 1
    pixels = np.frombuffer(body, np.uint8).reshape(shape)
    return np.asarray(cv2.cvtColor(pixels, _TO_RGB[channels]), np.uint8)
