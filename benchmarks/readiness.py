"""`python -m benchmarks.readiness`: is a site with a large gallery really ready when it says so?

Fills an empty database with people who have one random template each, serves it, waits until
readiness says `ready`, and compares the time of the first identify with the following ones. Run it
by hand, on a machine that does nothing else: 300,000 templates take some minutes.

The picture has a size that the engine is warmed up for. The first picture of another size always
takes longer, not only after a start.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np

from benchmarks.own_site import new_key, served, set_up
from benchmarks.rest_site import add_strangers
from ml_engine.images import decode_image, encode_jpeg
from ml_engine.zoo import default_weights_dir, fetch

TEMPLATES = 300_000
_AT_ONCE = 10_000
# Identifies after the first one.
_MORE = 20
_MOST_TIMES = 2.0
_PATIENCE_S = 900.0


def main() -> int:
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="facerec-readiness-") as name:
        folder = options.folder or Path(name)
        set_up(folder, options.weights, DATABASE_URL=options.database_url)
        _fill(options.templates)
        key = new_key("identify")
        photo = _photo(options.weights)
        started = time.monotonic()
        with served(options.port):
            return _measured(f"http://127.0.0.1:{options.port}", key, photo, started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readiness")
    parser.add_argument("--templates", type=int, default=TEMPLATES)
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite")
    parser.add_argument("--folder", type=Path, help="keeps SQLite's database for another run")
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    parser.add_argument("--port", type=int, default=8321)
    return parser


def _fill(templates: int) -> None:
    """Fill the gallery, unless an earlier run did."""
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection
    from recognition.people.services.collections import collection_create

    if Collection.objects.exists():
        return
    embedder = ensure_model_version("mobilefacenet")
    collection = collection_create(actor=SYSTEM, name="Large", embedder=embedder)
    started = time.monotonic()
    for first in range(0, templates, _AT_ONCE):
        add_strangers(collection, min(_AT_ONCE, templates - first), first=first)
    print(f"{templates} templates written in {time.monotonic() - started:.0f} s", flush=True)


def _photo(weights: Path) -> bytes:
    """A face in the centre of a picture of 640x480 pixels."""
    image = decode_image(fetch("samples", weights)["obama.jpg"].read_bytes())
    height, width = image.shape[:2]
    scale = min(640 / width, 480 / height)
    small = cv2.resize(image, (round(width * scale), round(height * scale)))
    canvas = np.zeros((480, 640, 3), np.uint8)
    top, left = (480 - small.shape[0]) // 2, (640 - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return encode_jpeg(canvas)


def _measured(url: str, key: str, photo: bytes, started: float) -> int:
    """Prints the figures; returns 1 if the first identify took too long."""
    deadline = started + _PATIENCE_S
    told = ""
    while (state := _readiness(url)) != "ready":
        if state != told:
            print(f"{time.monotonic() - started:6.1f} s  {state}", flush=True)
        told = state
        if time.monotonic() > deadline:
            print("it did not become ready")
            return 1
        time.sleep(0.2)
    ready_s = time.monotonic() - started
    first_s, *others = (_identify_s(url, key, photo) for _ in range(1 + _MORE))
    median_s = statistics.median(others)
    print(f"{ready_s:6.1f} s  ready")
    print(f"first identify {1000 * first_s:.0f} ms, median {1000 * median_s:.0f} ms")
    return int(first_s > _MOST_TIMES * median_s)


def _readiness(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as response:
            return str(json.load(response)["status"])
    except urllib.error.HTTPError as error:
        return json.dumps(json.load(error)["parts"])
    except OSError:
        return "away"


def _identify_s(url: str, key: str, photo: bytes) -> float:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"}
    request = urllib.request.Request(f"{url}/api/v1/identify", photo, headers)
    started = time.monotonic()
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as response:
        response.read()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
