"""Pictures as they come in from the world: broken ones, odd ones, and good ones of rare kinds.

Makers take the JPEG file of a photo and give another file. `BAD` names the code that each bad one
is refused with; those of `GOOD` show the same face as the photo did, upright.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Maker = Callable[[bytes], bytes]
_TRANSPOSED_FOR = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_ORIENTATION = 0x0112


def opened(photo: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(photo))
    picture.load()
    return picture.convert("RGB")


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


# Bad ones


def empty(photo: bytes) -> bytes:
    return b""


def text(photo: bytes) -> bytes:
    return b"This is a text that somebody named photo.jpg.\n" * 50


def truncated(photo: bytes) -> bytes:
    return photo[: len(photo) // 2]


def garbled(photo: bytes) -> bytes:
    """A PNG with noise in its middle."""
    whole = saved(opened(photo), "PNG")
    noise = np.random.default_rng(3).integers(0, 256, 400, dtype=np.uint8).tobytes()
    middle = len(whole) // 2
    return whole[: middle - 200] + noise + whole[middle + 200 :]


def animated(photo: bytes, kind: str = "WEBP") -> bytes:
    first = opened(photo).resize((160, 160))
    second = ImageOps.invert(first)
    return saved(first, kind, save_all=True, append_images=[second], duration=100)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


@cache
def bomb(side: int = 30_000) -> bytes:
    """A valid 1-bit PNG of 30,000 x 30,000 black pixels: about 110 kB, 900 million pixels."""
    packed = zlib.compressobj(9)
    rows = b"\0" + b"\0" * ((side + 7) // 8)
    content = b"".join(packed.compress(rows * 100) for _ in range(side // 100)) + packed.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def decompression_bomb(photo: bytes) -> bytes:
    return bomb()


def svg(photo: bytes) -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


BAD: dict[str, tuple[Maker, str]] = {
    "empty": (empty, "empty_image"),
    "text": (text, "unsupported_image"),
    "svg": (svg, "unsupported_image"),
    "truncated": (truncated, "broken_image"),
    "garbled": (garbled, "broken_image"),
    "bomb": (decompression_bomb, "too_many_pixels"),
    "animated webp": (animated, "animated_image"),
    "animated png": (partial(animated, kind="PNG"), "animated_image"),
    "animated gif": (partial(animated, kind="GIF"), "animated_image"),
}

# Good ones


def cmyk(photo: bytes) -> bytes:
    return saved(opened(photo).convert("CMYK"), "JPEG", quality=95)


def sixteen_bit(photo: bytes) -> bytes:
    """16 bits a channel, in colour."""
    import cv2

    image = np.asarray(opened(photo), np.uint16)[..., ::-1] * 257
    return cv2.imencode(".png", image)[1].tobytes()


def sixteen_bit_grey(photo: bytes) -> bytes:
    grey = np.asarray(opened(photo).convert("L"), np.uint16) * 257
    return saved(Image.fromarray(grey), "PNG")


def twelve_bit_grey(photo: bytes) -> bytes:
    """12 bits in a file of 16 bits, as some cameras write them."""
    grey = np.asarray(opened(photo).convert("L"), np.uint16) * 16
    return saved(Image.fromarray(grey), "PNG")


def without_its_end(photo: bytes) -> bytes:
    """A complete picture without the end marker."""
    return photo[: photo.rindex(b"\xff\xd9")]


def grey(photo: bytes) -> bytes:
    return saved(opened(photo).convert("L"), "JPEG", quality=95)


def with_alpha(photo: bytes) -> bytes:
    """Transparent at the edges."""
    picture = opened(photo)
    width, height = picture.size
    alpha = np.full((height, width), 255, np.uint8)
    edge = min(width, height) // 20
    alpha[:edge] = alpha[-edge:] = 0
    picture.putalpha(Image.fromarray(alpha))
    return saved(picture, "PNG")


def with_palette(photo: bytes) -> bytes:
    return saved(opened(photo).quantize(256), "PNG")


def turned(photo: bytes, orientation: int = 6) -> bytes:
    """Stored turned or mirrored, with the EXIF orientation that puts it right."""
    picture = opened(photo).transpose(_TRANSPOSED_FOR[orientation])
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return saved(picture, "JPEG", quality=95, exif=exif)


def webp(photo: bytes) -> bytes:
    return saved(opened(photo), "WEBP", quality=95)


def bmp(photo: bytes) -> bytes:
    return saved(opened(photo), "BMP")


GOOD: dict[str, Maker] = {
    "cmyk": cmyk,
    "16 bit": sixteen_bit,
    "16 bit grey": sixteen_bit_grey,
    "12 bit grey": twelve_bit_grey,
    "without its end": without_its_end,
    "grey": grey,
    "alpha": with_alpha,
    "palette": with_palette,
    "mirrored": partial(turned, orientation=2),
    "turned 180": partial(turned, orientation=3),
    "turned left": partial(turned, orientation=8),
    "turned right": partial(turned, orientation=6),
    "webp": webp,
    "bmp": bmp,
    "gif": lambda photo: saved(opened(photo).quantize(256), "GIF"),
    "tiff": lambda photo: saved(opened(photo), "TIFF", compression="tiff_lzw"),
    "avif": lambda photo: saved(opened(photo), "AVIF", quality=90),
}

# Whole pictures that do not show one face


def no_face(size: int = 240) -> bytes:
    """A smooth slope of grey."""
    slope = np.linspace(60, 190, size, dtype=np.uint8)
    image: NDArray[np.uint8] = np.repeat(slope[None, :], size, axis=0)
    return saved(Image.fromarray(image).convert("RGB"), "JPEG")


def one_pixel() -> bytes:
    return saved(Image.new("RGB", (1, 1), "white"), "PNG")


def side_by_side(first: bytes, second: bytes) -> bytes:
    """Two photos in one, equally high."""
    pictures = [opened(first), opened(second)]
    height = min(picture.height for picture in pictures)
    scaled = [p.resize((p.width * height // p.height, height)) for p in pictures]
    both = Image.new("RGB", (sum(p.width for p in scaled), height))
    both.paste(scaled[0], (0, 0))
    both.paste(scaled[1], (scaled[0].width, 0))
    return saved(both, "JPEG", quality=95)
