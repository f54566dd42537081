"""A camera's sensor and encoder: FILM.npy as arguments. Writes 25 pictures a second as H.264 to its
output, each after its size in 4 bytes, with the time at which it was "taken" drawn into it."""

from __future__ import annotations

import itertools
import sys
import time

import av
import numpy as np

from benchmarks.cameras.clock import draw_clock
from benchmarks.cameras.streams import SENSOR_FPS, SENSOR_KBIT, SENSOR_SIZE, encoder_of


def main(film: str) -> None:
    pictures = np.load(film, mmap_mode="r")
    encoder = encoder_of(SENSOR_SIZE, fps=SENSOR_FPS, kbit=SENSOR_KBIT, preset="ultrafast")
    began_s = time.monotonic()
    for number in itertools.count():
        time.sleep(max(0.0, began_s + number / SENSOR_FPS - time.monotonic()))
        picture = np.array(pictures[number % len(pictures)])
        draw_clock(picture[: SENSOR_SIZE[1]], round(time.monotonic() * 1000))
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        for packet in encoder.encode(frame):
            unit = bytes(packet)
            sys.stdout.buffer.write(len(unit).to_bytes(4, "big") + unit)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
