"""How long the frames of each camera took, written once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from django.db import DatabaseError, InterfaceError, connections

from ml_engine.request import Timings
from recognition.cameras.models import CameraMinute
from recognition.cameras.services.minutes import camera_minutes_add
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

_EVERY_S = 60.0


@dataclass(slots=True)
class _Collected:
    """The frames of one camera since the last row. times_ms: by stage, a value for each frame that
    went through it."""

    since_s: float
    frames: int = 0
    dropped: int = 0
    times_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def row(self, camera: UUID) -> CameraMinute:
        elapsed_s = max(time.monotonic() - self.since_s, 0.1)
        timing_ms = {}
        for stage, values in self.times_ms.items():
            p50, p95 = np.percentile(values, [50, 95])
            timing_ms[stage] = {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}
        return CameraMinute(
            camera_id=camera,
            frames=self.frames,
            fps=round(self.frames / elapsed_s, 2),
            dropped=self.dropped,
            timing_ms=timing_ms,
        )


class CameraMinutes(Part):
    """Of all cameras whose frames this process answers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collected: dict[UUID, _Collected] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="minutes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def note(self, camera: UUID, timings: Timings, *, dropped: int) -> None:
        """A frame was answered. dropped: frames left out since the one before."""
        if not self._thread.is_alive():
            return  # nothing would be written
        with self._lock:
            minute = self._collected.setdefault(camera, _Collected(time.monotonic()))
            minute.frames += 1
            minute.dropped += dropped
            for stage, ms in timings.items():
                minute.times_ms[stage].append(ms)

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            self._write()
        connections.close_all()

    def _write(self) -> None:
        """Minutes that cannot be written are lost: they are of no use later."""
        with self._lock:
            collected, self._collected = self._collected, {}
        if not collected:
            return
        try:
            camera_minutes_add([minute.row(camera) for camera, minute in collected.items()])
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the minutes of cameras were not written: %s", error)
            connections.close_all()
        except Exception:
            logger.exception("the minutes of cameras were not written")


def camera_minutes() -> CameraMinutes:
    """Those of this process."""
    return process().part(CameraMinutes)
