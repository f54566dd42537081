"""Bytes to pictures, and back. Every picture of the product comes in through `decode_image`.

Format and size are read from the header before anything is decoded: a 1-bit PNG of 110 kB can hold
900 million pixels.

Codes of ImageError: `empty_image`, `image_too_large` (bytes), `too_many_pixels`,
`unsupported_image`, `animated_image`, `broken_image`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pi_heif
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Pillow

from ml_engine.types import Float32, Image, ImageError

pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF")
_NAMES = "JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF"
# A phone's file may carry a depth map, a second view or a burst: its first picture is the photo.
_FIRST_IS_THE_PHOTO = ("MPO", "HEIF")
_END_OF_JPEG = b"\xff\xd9"
# What comes in place of a JPEG's missing end, to see whether any of its picture is missing too. It
# begins with 0: after a last 255 any other byte would be read as a marker, at which decoders stop.
_NOISE = bytes(range(250))
# The largest values of pictures with 8, 10, 12, 14 and 16 bits; a file of 16 bits may hold any.
_WHITES = (255, 1023, 4095, 16_383, 65_535)
# Words by which decoders say that they do not know this kind of file.
_NOT_KNOWN = ("not available", "unknown", "unsupported", "not supported", "cannot decode")


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The largest picture that is accepted."""

    max_bytes: int = 32 * 2**20
    max_pixels: int = 64_000_000
    max_side: int = 32_768


DEFAULT_LIMITS = ImageLimits()
# The parts of its sides that a JPEG can be decoded at: a half, a quarter, an eighth.
SHRINKS = (2, 4, 8)


def decode_image(data: bytes, limits: ImageLimits = DEFAULT_LIMITS, *, shrink: int = 1) -> Image:
    """A file of one of FORMATS to RGB uint8 (h, w, 3), upright after its EXIF orientation.

    CMYK, grey, palette and 16-bit pictures are converted; transparency is laid on white. A JPEG
    that lacks nothing but its end marker is read.

    shrink: 1 or one of SHRINKS: a JPEG is decoded at this part of its sides, rounded up; other
    pictures are decoded whole.
    """
    try:
        return _decoded(data, limits, shrink)
    except ImageError as error:
        if error.code != "broken_image" or not _lacks_end(data):
            raise
        image = _decoded(data + _END_OF_JPEG, limits, shrink)
        # Of a picture that is whole, the decoder has no use for more data.
        if not np.array_equal(image, _decoded(data + _NOISE + _END_OF_JPEG, limits, shrink)):
            raise
        return image


def _decoded(data: bytes, limits: ImageLimits, shrink: int) -> Image:
    with _opened(data, limits) as picture:
        if shrink > 1:
            width, height = picture.size
            picture.draft(None, (max(1, width // shrink), max(1, height // shrink)))
        picture.load()
        return np.asarray(_to_rgb(_upright(picture)))


def _lacks_end(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8") and not data.rstrip(b"\0").endswith(_END_OF_JPEG)


def pixels_of(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> int:
    """The number of pixels by the header; refuses the same files as `decode_image`."""
    with _opened(data, limits) as picture:
        width, height = picture.size
        return width * height


def upright_size(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Width and height as `decode_image` would give them; refuses the same files."""
    with _opened(data, limits) as picture:
        width, height = picture.size
        return (height, width) if _is_on_its_side(picture) else (width, height)


def _is_on_its_side(picture: Pillow.Image) -> bool:
    try:
        return picture.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:
        return False  # as in `_upright`


@contextmanager
def _opened(data: bytes, limits: ImageLimits) -> Iterator[Pillow.Image]:
    """A picture whose header is read and allowed; errors inside become ImageError."""
    _check_bytes(data, limits)
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_header(picture, limits)
            yield picture
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        message = f"This is not a {_NAMES} picture."
        raise ImageError(message, code="unsupported_image") from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise _too_many_pixels(limits) from error
    except Exception as error:
        # Decoders of broken files raise nearly anything: OSError, SyntaxError, struct.error, …
        if any(words in str(error).lower() for words in _NOT_KNOWN):
            message = f"This kind of picture cannot be read. Send a {_NAMES} picture."
            raise ImageError(message, code="unsupported_image") from error
        message = "The picture is broken or cut off."
        raise ImageError(message, code="broken_image") from error


def _check_bytes(data: bytes, limits: ImageLimits) -> None:
    if not data:
        raise ImageError("The file is empty.", code="empty_image")
    if len(data) > limits.max_bytes:
        message = f"The file is larger than {limits.max_bytes / 2**20:g} MB."
        raise ImageError(message, code="image_too_large")


def _check_header(picture: Pillow.Image, limits: ImageLimits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise _too_many_pixels(limits, picture.size)
    if picture.format not in _FIRST_IS_THE_PHOTO and getattr(picture, "n_frames", 1) > 1:
        message = "The file is animated, or has several pages; send one still picture."
        raise ImageError(message, code="animated_image")


def _too_many_pixels(limits: ImageLimits, size: tuple[int, int] | None = None) -> ImageError:
    what = f"{size[0]}x{size[1]} pixels are too many" if size else "There are too many pixels"
    return ImageError(
        f"{what}: at most {limits.max_pixels / 1e6:g} million, and {limits.max_side} on a side.",
        code="too_many_pixels",
    )


def _upright(picture: Pillow.Image) -> Pillow.Image:
    try:
        # A copy is made only if the picture is turned.
        ImageOps.exif_transpose(picture, in_place=True)
    except Exception:
        # Cameras and editors write broken EXIF; the pixels are whole.
        return picture
    return picture


def _to_rgb(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        # Pillow clips these to 8 bits instead of scaling them.
        values = np.asarray(picture, dtype=np.float32)
        scaled = (values * (255 / _white(values))).round().clip(0, 255).astype(np.uint8)
        return Pillow.fromarray(scaled).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Pillow.new("RGBA", layer.size, "white")
        return Pillow.alpha_composite(white, layer).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _white(values: Float32) -> float:
    """The value of white in a picture of more than 8 bits: the least that none of its values
    exceeds. 1 if they are fractions, as in TIFF."""
    most = float(values.max())
    if most <= 1.0:
        return 1.0
    return next((white for white in _WHITES if most <= white), most)


def encode_png(image: Image) -> bytes:
    """RGB uint8 (h, w, 3) to a PNG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """RGB uint8 (h, w, 3) to a JPEG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
