"""Taking pictures in: bad ones are refused by name, good ones of rare kinds come out right."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from ml_engine.engine import FaceEngine
from ml_engine.images import ImageLimits, decode_image, encode_jpeg, pixels_of
from ml_engine.request import Wanted
from ml_engine.types import Image, ImageError
from tests import pictures
from tests.fakes import portrait

MEMORY_MB = 20


def _painted(side: int = 200) -> bytes:
    """A JPEG of something, to make broken ones of."""
    ramp = np.add.outer(np.arange(side), np.arange(side)) % 256
    return encode_jpeg(np.stack([ramp, ramp.T, 255 - ramp], axis=2).astype(np.uint8), 95)


@pytest.mark.parametrize("name", pictures.BAD)
def test_a_bad_picture_is_refused_by_name(name: str) -> None:
    make, code = pictures.BAD[name]
    with pytest.raises(ImageError) as refused:
        decode_image(make(_painted()))
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_any_cut_of_a_file_is_refused_or_read_and_never_anything_else() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"):
        whole = pictures.saved(Pillow.open(io.BytesIO(_painted(40))), kind)
        for length in range(0, len(whole), max(1, len(whole) // 60)):
            try:
                assert decode_image(whole[:length]).shape == (40, 40, 3)
            except ImageError as error:
                assert error.code in ("empty_image", "unsupported_image", "broken_image")


def test_picture_beyond_a_limit_is_refused() -> None:
    photo = _painted(100)
    assert decode_image(photo, ImageLimits(max_pixels=10_000)).shape == (100, 100, 3)
    for limits, code in (
        (ImageLimits(max_pixels=9_999), "too_many_pixels"),
        (ImageLimits(max_side=99), "too_many_pixels"),
        (ImageLimits(max_bytes=len(photo) - 1), "image_too_large"),
    ):
        with pytest.raises(ImageError) as refused:
            decode_image(photo, limits)
        assert refused.value.code == code


_REFUSE_A_BOMB = """
import resource, sys, pathlib
import numpy, PIL.Image, PIL.PngImagePlugin, PIL.JpegImagePlugin
from ml_engine.images import decode_image
from ml_engine.types import ImageError
data = pathlib.Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_image(data)
except ImageError as error:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(error.code, grown / 1024)
"""


def test_decode_image_refuses_a_decompression_bomb_before_decoding(tmp_path: Path) -> None:
    """900 million pixels in 110 kB: what is measured is the memory that refusing them takes."""
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(pictures.bomb())
    assert bomb.stat().st_size < 130_000
    done = subprocess.run(
        [sys.executable, "-c", _REFUSE_A_BOMB, str(bomb)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, grown_mb = done.stdout.split()
    assert code == "too_many_pixels"
    assert float(grown_mb) < MEMORY_MB


@pytest.mark.parametrize("name", pictures.GOOD)
def test_a_good_picture_shows_what_the_photo_showed(name: str) -> None:
    photo = _painted()
    wanted = decode_image(photo).astype(float)
    found = decode_image(pictures.GOOD[name](photo)).astype(float)
    assert found.shape == wanted.shape
    if "grey" in name:
        wanted = np.repeat((wanted @ [0.299, 0.587, 0.114])[..., None], 3, axis=2)
    middle = (slice(20, -20), slice(20, -20))
    # Palettes and JPEG lose a little; a wrong turn, order of channels or scale is far more.
    assert np.abs(found - wanted)[middle].mean() < 8


def test_heic_photo_of_a_phone_is_read() -> None:
    found = decode_image((Path(__file__).parent.parent / "data" / "portrait.heic").read_bytes())
    difference = np.abs(found.astype(float) - portrait(11))
    assert difference.mean() < 3


def test_jpeg_that_is_cut_off_anywhere_is_broken() -> None:
    photo = _painted()
    after_255 = [at for at in range(len(photo) // 3, len(photo) - 3) if photo[at - 1] == 0xFF]
    for length in (len(photo) // 3, len(photo) // 2, int(len(photo) * 0.9), *after_255[::10]):
        with pytest.raises(ImageError) as refused:
            decode_image(photo[:length])
        assert refused.value.code == "broken_image"


def test_tiff_of_an_unknown_compression_is_not_called_broken() -> None:
    tiff = bytearray(pictures.saved(Pillow.new("RGB", (8, 8)), "TIFF"))
    at = tiff.index(b"\x03\x01\x03\x00\x01\x00\x00\x00")  # the tag of the compression
    tiff[at + 8 : at + 10] = b"\x39\x30"
    with pytest.raises(ImageError) as refused:
        decode_image(bytes(tiff))
    assert refused.value.code == "unsupported_image"


@pytest.mark.parametrize("size", [(8192, 6144), (16_382, 3_872)])
def test_default_limits_allow_photos_and_panoramas_of_phones(size: tuple[int, int]) -> None:
    photo = pictures.saved(Pillow.new("L", size), "PNG")
    assert pixels_of(photo) == size[0] * size[1]


def test_transparency_is_laid_on_white() -> None:
    clear = pictures.saved(Pillow.new("RGBA", (8, 8), (10, 20, 30, 0)), "PNG")
    assert decode_image(clear).min() == 255


def test_decoded_image_is_contiguous_uint8() -> None:
    image = decode_image(_painted())
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


@pytest.mark.weights
@pytest.mark.parametrize("name", pictures.GOOD)
def test_a_face_in_a_rare_kind_of_picture_is_the_same_face(
    name: str, sample_photo: Callable[[str], bytes], real_engine: FaceEngine
) -> None:
    def embedding(image: Image) -> np.ndarray:
        (face,) = real_engine.analyze([image], Wanted(max_faces=1))[0]
        assert face.embedding is not None
        return face.embedding

    photo = pictures.saved(_smaller(sample_photo("obama")), "JPEG", quality=95)
    wanted = embedding(decode_image(photo))
    found = embedding(decode_image(pictures.GOOD[name](photo)))
    other = embedding(decode_image(sample_photo("biden")))
    assert wanted @ found > 0.85
    assert other @ found < 0.3


def _smaller(photo: bytes) -> Pillow.Image:
    picture = pictures.opened(photo)
    picture.thumbnail((500, 500))
    return picture
