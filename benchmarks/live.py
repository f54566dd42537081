"""Latency and endurance of a live stream, measured against a running server.

    python -m benchmarks.live --key-file KEY [--url ws://localhost:8000] [--pid PID] [--minutes 30]

Sends JPEG frames over /ws/live/ at a fixed rate, without waiting for answers, and samples the
server's process every ten seconds. Memory is USS: the memory that would be free if the process
ended.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from websockets.asyncio.client import connect

SAMPLE_EVERY_S = 10.0
# At first, caches fill and pools grow.
SETTLED_AFTER_MIN = 10.0
SIZE = (640, 480)
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Sample:
    """The state of the server's process at one moment."""

    minute: float
    uss_mb: float
    rss_mb: float
    threads: int
    handles: int


@dataclass
class Measured:
    """The results. latencies: from sending a frame to its answer, in the order of the answers."""

    sent: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    queue_ms: list[float] = field(default_factory=list)
    named: int = 0
    faces: int = 0
    events: int = 0
    errors: list[str] = field(default_factory=list)
    dropped: int = 0
    samples: list[Sample] = field(default_factory=list)


class Client:
    """One stream. `sent_at`: times of the frames that are not answered yet."""

    def __init__(self, frames: Sequence[bytes], fps: float, seconds: float) -> None:
        self.measured = Measured()
        self._frames = frames
        self._fps = fps
        self._seconds = seconds
        self._sent_at: dict[int, float] = {}
        self._is_over = asyncio.Event()

    async def run(self, url: str, key: str, start: dict[str, Any], pid: int | None) -> Measured:
        headers = {"Authorization": f"Bearer {key}"}
        async with connect(f"{url}/ws/live/", additional_headers=headers, max_size=None) as socket:
            await socket.send(json.dumps({"type": "session.start", **start}))
            await self._await_start(socket)
            hearing = asyncio.create_task(self._hear(socket))
            watching = asyncio.create_task(self._watch(pid))
            await self._send(socket)
            await asyncio.sleep(1.0)
            self._is_over.set()
            await watching
            hearing.cancel()
        return self.measured

    async def _await_start(self, socket: Any) -> None:
        while (message := json.loads(await socket.recv()))["type"] != "session.started":
            if message["type"] == "error":
                raise SystemExit(f"{message['code']}: {message['message']}")
        print(f"stream on {message['device']} with {message['model']}", file=sys.stderr)

    async def _send(self, socket: Any) -> None:
        began = time.perf_counter()
        for number, frame in enumerate(itertools.cycle(self._frames)):
            due = began + number / self._fps
            if due - began > self._seconds:
                return
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._sent_at[number] = time.perf_counter()
            self.measured.sent += 1
            await socket.send(frame)

    async def _hear(self, socket: Any) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "faces":
                self._answered(message)
            elif message["type"] == "event":
                self.measured.events += message["event"]["kind"] == "opened"
            elif message["type"] == "error":
                self.measured.errors.append(message["code"])

    def _answered(self, message: dict[str, Any]) -> None:
        number, measured = message["frame"], self.measured
        measured.latencies_ms.append((time.perf_counter() - self._sent_at[number]) * 1000)
        measured.queue_ms.append(message["timing_ms"]["queue"])
        measured.faces += len(message["faces"])
        measured.named += sum(face["person"] is not None for face in message["faces"])
        measured.dropped = message["dropped"]
        # Earlier frames were dropped and will not be answered.
        for older in [other for other in self._sent_at if other <= number]:
            del self._sent_at[older]

    async def _watch(self, pid: int | None) -> None:
        process = psutil.Process(pid) if pid else None
        began = time.monotonic()
        for count in itertools.count(1):
            left = began + count * SAMPLE_EVERY_S - time.monotonic()
            try:
                await asyncio.wait_for(self._is_over.wait(), max(0.0, left))
                return
            except TimeoutError:
                self._sample(process, (time.monotonic() - began) / 60)

    def _sample(self, process: psutil.Process | None, minute: float) -> None:
        told = f"minute {minute:5.1f}  answered {len(self.measured.latencies_ms)}"
        if recent := self.measured.latencies_ms[-100:]:
            told += f"  p50 {np.percentile(recent, 50):.0f} ms"
        if process is not None:
            memory = process.memory_full_info()
            sample = Sample(
                minute=round(minute, 3),
                uss_mb=memory.uss / 2**20,
                rss_mb=memory.rss / 2**20,
                threads=process.num_threads(),
                handles=process.num_fds(),
            )
            self.measured.samples.append(sample)
            told += f"  USS {sample.uss_mb:.1f} MB  RSS {sample.rss_mb:.1f} MB"
            told += f"  threads {sample.threads}  handles {sample.handles}"
        print(told, file=sys.stderr, flush=True)


def settled(samples: Sequence[Sample]) -> list[Sample]:
    """The samples from minute 10 on, or the second half of a shorter run."""
    last = samples[-1].minute if samples else 0.0
    since = SETTLED_AFTER_MIN if last > SETTLED_AFTER_MIN + 1 else last / 2
    return [sample for sample in samples if sample.minute >= since]


def growth(samples: Sequence[Sample], name: str) -> float | None:
    """By least squares, in units of the figure a minute."""
    if len(samples) < 3:
        return None
    minutes = [sample.minute for sample in samples]
    return float(np.polyfit(minutes, [getattr(sample, name) for sample in samples], 1)[0])


def report(measured: Measured, *, fps: float, minutes: float, source: str) -> dict[str, Any]:
    latencies = measured.latencies_ms or [float("nan")]
    kept = settled(measured.samples)
    figures: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "source": source,
        "minutes": minutes,
        "fps_sent": fps,
        "frames_sent": measured.sent,
        "frames_answered": len(measured.latencies_ms),
        "fps_answered": len(measured.latencies_ms) / (minutes * 60),
        "dropped": measured.dropped,
        "errors": sorted(set(measured.errors)),
        "latency_p50_ms": float(np.percentile(latencies, 50)),
        "latency_p95_ms": float(np.percentile(latencies, 95)),
        "latency_p99_ms": float(np.percentile(latencies, 99)),
        "latency_max_ms": float(np.max(latencies)),
        "faces": measured.faces,
        "faces_named": measured.named,
        "events": measured.events,
    }
    if kept:
        figures |= {
            "settled_from_minute": kept[0].minute,
            "uss_mb_first": kept[0].uss_mb,
            "uss_mb_last": kept[-1].uss_mb,
            "uss_mb_per_minute": growth(kept, "uss_mb"),
            "rss_mb_per_minute": growth(kept, "rss_mb"),
            "threads": [min(s.threads for s in kept), max(s.threads for s in kept)],
            "handles": [min(s.handles for s in kept), max(s.handles for s in kept)],
        }
    return figures


def markdown(figures: dict[str, Any]) -> str:
    rows = [
        ("stream", f"{figures['source']}, {figures['fps_sent']:g} frames a second, "
                   f"{figures['minutes']:g} minutes"),
        ("machine", figures["machine"]),
        ("answered", f"{figures['fps_answered']:.1f} frames a second; "
                     f"{figures['dropped']} of {figures['frames_sent']} dropped"),
        ("frame sent to answer", f"p50 {figures['latency_p50_ms']:.0f} ms, "
                                 f"p95 {figures['latency_p95_ms']:.0f} ms, "
                                 f"p99 {figures['latency_p99_ms']:.0f} ms"),
        ("visits told", str(figures["events"])),
    ]  # fmt: skip
    if (rate := figures.get("uss_mb_per_minute")) is not None:
        first, last = figures["uss_mb_first"], figures["uss_mb_last"]
        since = f"from minute {figures['settled_from_minute']:.0f} on"
        rows += [
            ("memory (USS)", f"{first:.0f} to {last:.0f} MB, {rate:+.3f} MB a minute {since}"),
            ("memory (RSS)", f"{figures['rss_mb_per_minute']:+.3f} MB a minute"),
            ("threads", "{} to {}".format(*figures["threads"])),
            ("open files and sockets", "{} to {}".format(*figures["handles"])),
        ]
    lines = ["| live stream | |", "| --- | --- |"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows]) + "\n"


def panned(photo: bytes, count: int = 150) -> list[bytes]:
    """Frames in which the whole photo moves in front of a grey wall, nearer and further."""
    picture = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    frames = []
    for turn in np.linspace(0, 2 * np.pi, count, endpoint=False):
        scale = SIZE[1] / height * (0.85 + 0.15 * np.cos(2 * turn))
        left = (SIZE[0] - scale * width) * (0.5 + 0.3 * np.sin(turn))
        top = (SIZE[1] - scale * height) * 0.5
        move = np.array([[scale, 0, left], [0, scale, top]])
        frame = cv2.warpAffine(
            picture, move, SIZE, flags=cv2.INTER_AREA, borderValue=(110, 110, 110)
        )
        frames.append(_jpeg(frame))
    return frames


def of_video(path: Path, most: int = 600) -> list[bytes]:
    """The frames of a video file, scaled to the usual width."""
    video = cv2.VideoCapture(str(path))
    frames: list[bytes] = []
    while len(frames) < most:
        is_read, frame = video.read()
        if not is_read:
            break
        scale = SIZE[0] / frame.shape[1]
        size = (SIZE[0], round(frame.shape[0] * scale))
        frames.append(_jpeg(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)))
    video.release()
    if not frames:
        raise SystemExit(f"{path} holds no frames.")
    return frames


def _jpeg(image: Any) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _source(options: argparse.Namespace) -> tuple[str, list[bytes]]:
    if options.video:
        return options.video.name, of_video(options.video)
    if options.photo:
        return options.photo[0].name, [f for p in options.photo for f in panned(p.read_bytes())]
    from ml_engine.zoo import fetch

    photos = fetch("samples", options.weights)
    frames = [
        frame
        for name in ("obama2.jpg", "obama3.jpg", "biden.jpg")
        for frame in panned(photos[name].read_bytes())
    ]
    return "sample photos, panned and zoomed, 640x480", frames


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="ws://localhost:8000")
    parser.add_argument("--key-file", type=Path, required=True, help="an API key with `identify`")
    parser.add_argument("--collection", help="its id; may be left out where there is one")
    parser.add_argument("--pid", type=int, help="of the server, on this machine")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--photo", type=Path, action="append")
    parser.add_argument("--weights", type=Path, default=Path("var/weights"))
    parser.add_argument("--out", type=Path, default=Path("var/bench"))
    return parser.parse_args()


def main() -> None:
    options = _parse()
    source, frames = _source(options)
    client = Client(frames, options.fps, options.minutes * 60)
    start = {"collection": options.collection}
    key = options.key_file.read_text().strip()
    measured = asyncio.run(client.run(options.url, key, start, options.pid))
    figures = report(measured, fps=options.fps, minutes=options.minutes, source=source)
    options.out.mkdir(parents=True, exist_ok=True)
    samples = [asdict(sample) for sample in measured.samples]
    (options.out / "live.json").write_text(json.dumps({**figures, "samples": samples}, indent=1))
    (options.out / "live.md").write_text(markdown(figures))
    print(markdown(figures))


if __name__ == "__main__":
    main()
