"""A network camera that writes down each answer, and what the threads of the process cost.

The file has a line of JSON for each answer, and one every two seconds for the threads. Times are
those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from recognition.cameras.models import Camera
from recognition.cameras.sources.network import NetworkCamera

_EVERY_S = 2.0
# What threads do, by the beginnings of their names.
_STAGES = {
    "camera-": "decode",
    "rtsp-relay": "relay",
    "stream-": "recognise",
    "engine-": "engine",
    "MainThread": "sockets",
    "socket-database": "database",
    "visit": "visits",
}


class RecordedCamera(NetworkCamera):
    def answer(self, camera: Camera, message: Mapping[str, Any]) -> None:
        if message["type"] == "faces" and _record is not None:
            _record.add(
                camera=camera.name,
                frame=message["frame"],
                at_s=time.monotonic(),
                timing_ms=message["timing_ms"],
                dropped=message["dropped"],
                faces=len(message["faces"]),
                named=sum(face["person"] is not None for face in message["faces"]),
            )


class Record:
    """Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("w")
        self._times = ThreadTimes()
        threading.Thread(target=self._watch, name="record", daemon=True).start()

    def add(self, **values: object) -> None:
        line = json.dumps(values)
        with self._lock:
            self._file.write(line + "\n")

    def _watch(self) -> None:
        while True:
            self.add(threads=self._times.by_stage(), at_s=time.monotonic())
            with self._lock:
                self._file.flush()
            time.sleep(_EVERY_S)


class ThreadTimes:
    """CPU time of the threads of this process, by what they do."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._last: dict[int, float] = {}
        self._spent: Counter[str] = Counter()

    def by_stage(self) -> dict[str, float]:
        """Seconds so far, those of threads that have ended included."""
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        for thread in self._process.threads():
            spent_s = thread.user_time + thread.system_time
            more_s = spent_s - self._last.get(thread.id, 0.0)
            self._spent[stage_of(names.get(thread.id, ""))] += max(0.0, more_s)
            self._last[thread.id] = spent_s
        return dict(self._spent)


def stage_of(thread: str) -> str:
    """thread: its name; empty for one that Python has not started, such as those of the networks'
    runtime."""
    if not thread:
        return "runtime"
    return next((stage for name, stage in _STAGES.items() if thread.startswith(name)), "other")


_record: Record | None = None


def begin_record(path: Path) -> None:
    """Write down all answers of this process from now on."""
    global _record
    _record = Record(path)
