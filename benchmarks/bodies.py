"""`python -m benchmarks.bodies`: how much large requests slow down all other requests.

Sends, one after the other: a form of 60 MB in small parts from a caller who is not signed in,
twenty such forms at once, ten photos of 6 MB during a live stream, and 24 pictures of 49 megapixels
at once. Measures how long `/health/live` or a frame waits meanwhile, and how much memory is left.
The callers run in another process on the same machine.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from PIL import Image as Pillow
from websockets.sync.client import connect

from benchmarks.own_site import new_key, served, set_up
from ml_engine.images import encode_jpeg
from ml_engine.zoo import default_weights_dir, fetch

MB = 2**20
_PART = b'--X\r\nContent-Disposition: form-data; name="n"\r\n\r\nv\r\n'
FORM = _PART * (60 * MB // len(_PART)) + b"--X--\r\n"
_FORM_TYPE = "multipart/form-data; boundary=X"
STRANGERS, PHOTOS, LARGE = 20, 10, 24
_READY_WITHIN_S = 120.0
_SETTLES_IN_S = 5.0
_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Post:
    """A request; without a key, from a caller who is not signed in."""

    port: int
    path: str
    body: bytes
    kind: str
    key: str = ""

    def status(self) -> int:
        """Of the answer, also if it comes before everything is sent. 503 is "come again", as four
        of the largest pictures are decoded at a time."""
        while (status := self._sent()) == 503:
            time.sleep(0.5)
        return status

    def _sent(self) -> int:
        headers = {"Content-Type": self.kind} | ({"X-Api-Key": self.key} if self.key else {})
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        # A server that has answered may close the connection before it has read the whole body.
        with suppress(BrokenPipeError, ConnectionResetError):
            client.request("POST", self.path, self.body, headers)
        return client.getresponse().status


class Site:
    def __init__(self, port: int, pid: int, key: str, collection: str) -> None:
        self.port = port
        self.key = key
        self.collection = collection
        self._process = psutil.Process(pid)

    @property
    def memory_mb(self) -> float:
        return self._process.memory_info().rss / MB

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready"):
                    return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the site did not become ready")


def main() -> int:
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="facerec-bodies-") as name:
        set_up(Path(name), options.weights, ENGINE_QUEUE="256", ENGINE_DEADLINE_S="300")
        collection = _collection()
        key = new_key("detect", "identify")
        with served(options.port) as pid:
            site = Site(options.port, pid, key, collection)
            site.wait_until_ready()
            portrait = fetch("samples", options.weights)["obama.jpg"].read_bytes()
            for part in options.parts or PARTS:
                PARTS[part](site, portrait)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bodies")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    parser.add_argument("--port", type=int, default=8323)
    return parser


def _collection() -> str:
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.services.collections import collection_create

    embedder = ensure_model_version("mobilefacenet")
    return str(collection_create(actor=SYSTEM, name="Main", embedder=embedder).pk)


def strangers(site: Site, portrait: bytes) -> None:
    """Forms to the sign-in page: one, and then twenty at once."""
    for count in (1, STRANGERS):
        before = site.memory_mb
        with _often(lambda: _health_s(site)) as waits, _most_memory(site) as memory:
            statuses = _sent(count, Post(site.port, "/accounts/login/", FORM, _FORM_TYPE))
        _tell(f"{count} strangers, 60 MB each", waits, statuses)
        print(f"    memory: {max(memory) - before:+.0f} MB at most", flush=True)


def photos(site: Site, portrait: bytes) -> None:
    """Ten photos as forms, during a live stream."""
    form = _form_of(_photo_of(6 * MB))
    with _often(lambda: _health_s(site)) as health, _live(site, portrait) as frames:
        time.sleep(5)
        alone = list(frames)
        frames.clear()
        health.clear()
        post = Post(site.port, "/api/v1/detect", form, _FORM_TYPE, site.key)
        statuses = _sent(PHOTOS, post)
    _tell(f"{PHOTOS} photos of 6 MB at once", health, statuses)
    print(f"    a frame alone: {_figures(alone)}")
    print(f"    a frame meanwhile: {_figures(frames)}", flush=True)


def large(site: Site, portrait: bytes) -> None:
    """Pictures of 49 megapixels that are small as files."""
    before = site.memory_mb
    picture = io.BytesIO()
    Pillow.new("RGB", (7000, 7000), "grey").save(picture, "PNG")
    post = Post(site.port, "/api/v1/detect", picture.getvalue(), "image/png", site.key)
    with _most_memory(site) as memory:
        statuses = _sent(LARGE, post)
    time.sleep(_SETTLES_IN_S)
    print(f"{LARGE} pictures of 49 megapixels at once: {_counted(statuses)}")
    left = site.memory_mb - before
    print(f"    memory: {max(memory) - before:+.0f} MB at most, {left:+.0f} MB left", flush=True)


PARTS: dict[str, Callable[[Site, bytes], None]] = {
    "strangers": strangers,
    "photos": photos,
    "large": large,
}


def _photo_of(size: int) -> bytes:
    """A picture of noise that has about this many bytes as a JPEG."""
    side = round((size / 1.05) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    return encode_jpeg(noise, 90)


def _form_of(photo: bytes) -> bytes:
    head = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    return head + photo + b"\r\n--X--\r\n"


def _sent(count: int, post: Post) -> list[int]:
    """The statuses of requests that another process sends at once, while this process measures."""
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        return other.submit(_at_once, count, post).result()


def _at_once(count: int, post: Post) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: post.status(), range(count)))


@contextmanager
def _often(measure: Callable[[], float]) -> Iterator[list[float]]:
    """The values in seconds that a thread measures during the `with` block."""
    values: list[float] = []
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(0.01):
            values.append(measure())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield values
    finally:
        is_over.set()
        thread.join()


@contextmanager
def _most_memory(site: Site) -> Iterator[list[float]]:
    with _often(lambda: site.memory_mb) as values:
        yield values


def _health_s(site: Site) -> float:
    started = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=_PATIENCE_S)
    client.request("GET", "/health/live")
    client.getresponse().read()
    client.close()
    return time.monotonic() - started


@contextmanager
def _live(site: Site, frame: bytes) -> Iterator[list[float]]:
    """Seconds from each frame of a stream to its answer. The next frame is sent after the
    answer."""
    url, key = f"ws://127.0.0.1:{site.port}/ws/live/", {"X-Api-Key": site.key}
    with connect(url, additional_headers=key) as socket:
        socket.send(json.dumps({"type": "session.start", "collection": site.collection}))
        _hear(socket.recv, "session.started")

        def answered_s() -> float:
            started = time.monotonic()
            socket.send(frame)
            _hear(socket.recv, "faces")
            return time.monotonic() - started

        with _often(answered_s) as values:
            yield values


def _hear(receive: Callable[[], str | bytes], kind: str) -> None:
    while json.loads(receive())["type"] not in (kind, "error"):
        pass


def _tell(what: str, waits: Sequence[float], statuses: Sequence[int]) -> None:
    print(f"{what}: {_counted(statuses)}")
    print(f"    /health/live: {_figures(waits)}", flush=True)


def _figures(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    middle, longest = statistics.median(seconds), max(seconds)
    return f"median {1000 * middle:.0f} ms, longest {1000 * longest:.0f} ms of {len(seconds)}"


def _counted(statuses: Sequence[int]) -> str:
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    return ", ".join(f"{count} x {status}" for status, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
