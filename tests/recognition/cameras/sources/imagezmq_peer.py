"""A sender with the `imagezmq` package, in a process of its own as its users have it.

`python -m tests.recognition.cameras.sources.imagezmq_peer ADDRESS NAME [options]` prints a line for
each answer (or, with --publish, for each frame).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[4]
_PATIENCE_S = 30.0
_SIZE = 60


def main() -> None:
    import imagezmq
    import zmq

    from tests.fakes import photo, portrait

    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("name")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--fps", type=float, default=20)
    parser.add_argument("--person", type=int, default=11)
    parser.add_argument("--raw", action="store_true", help="send_image in place of send_jpg")
    parser.add_argument("--publish", action="store_true", help="publish/subscribe: it listens")
    parser.add_argument("--limit-ms", type=int, help="wait so long for an answer, then begin anew")
    options = parser.parse_args()

    def new_sender() -> imagezmq.ImageSender:
        made = imagezmq.ImageSender(options.address, REQ_REP=not options.publish)
        if options.limit_ms:
            made.zmq_socket.set(zmq.RCVTIMEO, options.limit_ms)
            made.zmq_socket.set(zmq.SNDTIMEO, options.limit_ms)
            made.zmq_socket.set(zmq.LINGER, 0)
        return made

    sender = new_sender()
    rgb = portrait(options.person, size=_SIZE, looks=1)
    pixels, jpeg = np.ascontiguousarray(rgb[..., ::-1]), photo(options.person, size=_SIZE, looks=1)
    for number in range(options.frames):
        try:
            if options.raw:
                answer = sender.send_image(options.name, pixels)
            else:
                answer = sender.send_jpg(options.name, jpeg)
        except zmq.Again:
            sender.close()
            sender = new_sender()
            continue
        print((answer or f"{number}".encode()).decode(), flush=True)  # noqa: T201
        time.sleep(1 / options.fps)


class Peer:
    """A running sender; `answers` are the lines that it printed so far."""

    def __init__(self, address: str, name: str, *arguments: str) -> None:
        self.answers: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, address, name, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_answers(self, more: int) -> None:
        """Wait for so many answers from now on; AssertionError if it hangs."""
        wanted = len(self.answers) + more
        self.until(lambda: len(self.answers) >= wanted)

    def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"the sender hangs: {self.answers[-5:]}"
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.answers.append(line.strip())


@contextmanager
def sending(address: str, names: Sequence[str], *arguments: str) -> Iterator[list[Peer]]:
    """Senders of these names, which are killed at the end."""
    peers = [Peer(address, name, *arguments) for name in names]
    try:
        yield peers
    finally:
        for peer in peers:
            peer.kill()


if __name__ == "__main__":
    main()
