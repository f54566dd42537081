"""The streams of the cameras: H.264 with a key frame every 2 s, a file for each encoded picture."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.cameras.clock import CLOCK_SIZE
from benchmarks.scenes import NOISE, SIZE, film, room
from ml_engine.images import decode_image
from ml_engine.types import Image

FPS = 10
KEY_EVERY_S = 2
SENSOR_SIZE, SENSOR_FPS, SENSOR_KBIT = (640, 480), 25, 1500
# The film of the sensor is made in this size, so that its faces have 40 to 133 pixels.
_SENSOR_FILM = (960, 720)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stream:
    """photos: files of the people in it, one after the other; none: a still room."""

    name: str
    photos: tuple[bytes, ...]
    seconds: int
    kbit: int
    seed: int

    def pictures(self) -> Iterator[Image]:
        people = [square(decode_image(photo)) for photo in self.photos]
        return film(room(self.seed), people, fps=FPS, seconds=self.seconds, seed=self.seed)


def write_streams(streams: Sequence[Stream], folder: Path) -> dict[str, Path]:
    """The folder of each stream by its name. What is there already is not made again."""
    folders = {stream.name: folder / f"{stream.name}-{_digest(stream)}" for stream in streams}
    missing = [stream for stream in streams if not folders[stream.name].is_dir()]
    pictures = sum(stream.seconds * FPS for stream in missing)
    with tqdm(total=pictures, desc="streams", unit="picture", disable=not missing) as progress:
        for stream in missing:
            _write(stream, folders[stream.name], progress)
    return folders


def write_sensor_film(photos: Sequence[bytes], path: Path, *, seconds: int) -> Path:
    """What the sensor sees: I420 pictures (n, h * 3 / 2, w) as an array of NumPy."""
    if path.exists():
        return path
    people = [square(decode_image(photo)) for photo in photos]
    large = film(room(99, _SENSOR_FILM), people, fps=SENSOR_FPS, seconds=seconds, seed=99)
    total = seconds * SENSOR_FPS
    pictures = np.stack([_sensor_picture(one) for one in tqdm(large, "sensor", total)])
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part.npy")
    np.save(beside, pictures)
    beside.replace(path)
    return path


def bits_a_second(folder: Path) -> float:
    """Of a stream that was written."""
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return 8 * sum(sizes) * FPS / len(sizes)


def square(photo: Image) -> Image:
    """The middle of a photo."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def encoder_of(size: tuple[int, int], *, fps: int, kbit: int, preset: str) -> Any:
    """An encoder that answers each picture at once, as those of cameras do."""
    made: Any = av.CodecContext.create("libx264", "w")
    made.width, made.height = size
    made.pix_fmt, made.framerate, made.time_base = "yuv420p", fps, Fraction(1, fps)
    made.gop_size, made.bit_rate, made.thread_count = fps * KEY_EVERY_S, kbit * 1000, 1
    # GStreamer sends the first slice of a picture only.
    own = f"bframes=0:slices=1:sliced-threads=0:scenecut=0:vbv-maxrate={kbit}:vbv-bufsize={kbit}"
    made.options = {"preset": preset, "tune": "zerolatency", "x264-params": own}
    return made


def encoded(pictures: Iterable[Image], *, fps: int, kbit: int) -> Iterator[bytes]:
    """RGB pictures (h, w, 3) of one size."""
    encoder = None
    for number, picture in enumerate(itertools.chain(pictures, [None])):
        frame = None
        if picture is not None:
            height, width = picture.shape[:2]
            encoder = encoder or encoder_of((width, height), fps=fps, kbit=kbit, preset="veryfast")
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
        assert encoder is not None, "there are no pictures"
        yield from (bytes(packet) for packet in encoder.encode(frame))


def _write(stream: Stream, folder: Path, progress: Any) -> None:
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for number, unit in enumerate(encoded(stream.pictures(), fps=FPS, kbit=stream.kbit)):
        (beside / f"{number:05d}").write_bytes(unit)
        progress.update()
    beside.replace(folder)


def _digest(stream: Stream) -> str:
    """Of all that the stream is made of."""
    values = (_VERSION, stream.seconds, stream.kbit, stream.seed, FPS, KEY_EVERY_S, SIZE, NOISE)
    digest = hashlib.sha256(repr(values).encode())
    for photo in stream.photos:
        digest.update(photo)
    return digest.hexdigest()[:12]


def _sensor_picture(large: Image) -> NDArray[np.uint8]:
    picture = cv2.resize(large, SENSOR_SIZE, interpolation=cv2.INTER_AREA)
    width, height = CLOCK_SIZE
    picture[:height, :width] = 128  # the clock has no colour
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
