"""Takes over what parts of a process count or hold themselves, so that nothing is counted twice."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from ml_engine.runtime.batcher import QueueStats
from recognition.engine import engine_state, engine_stats
from recognition.people.index import held_galleries
from recognition.web.metrics import count, observe, put
from recognition.web.process import PARTS, Part, process

logger = logging.getLogger(__name__)

_EVERY_S = 5.0
_ENGINE_STATES = ("off", "warming_up", "ready", "failed")
# Only these follow the database all the time. In others a gallery stays as its last use left it.
_FOLLOWING = PARTS["recognition.people.index.GalleryLoader"]
# That many have room in the files. One whose collection was deleted keeps its room.
_MAX_GALLERIES = 10_000


class Sampler(Part):
    """Other processes read what this one wrote last; its own figures are always of this moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, QueueStats] = {}
        self._galleries: set[tuple[UUID, int]] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        for role in process().roles:
            put("facerec_processes", 1, role)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        return True

    def sample(self) -> None:
        with self._lock:
            for queue, stats in engine_stats().items():
                _take_over(queue, stats, self._seen.get(queue))
                self._seen[queue] = stats
            if process().roles & _FOLLOWING:
                self._put_galleries()
        state = engine_state()["state"]
        for each in _ENGINE_STATES:
            put("facerec_engines", each == state, each)

    def _put_galleries(self) -> None:
        for key, (templates, revision) in held_galleries().items():
            if len(self._galleries) < _MAX_GALLERIES:
                self._galleries.add(key)
            if key in self._galleries:
                labels = [str(part) for part in key]
                put("held_templates", templates, *labels)
                put("held_revision", revision, *labels)

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            try:
                self.sample()
            except Exception:
                logger.exception("the figures of this process are not up to date")


def _take_over(queue: str, now: QueueStats, before: QueueStats | None) -> None:
    """Add what an engine counted since `before`; all of it if this is another engine."""
    if before is None or now["calls"] < before["calls"]:
        before = {**now, "calls": 0, "refused": 0, "expired": 0, "work_s": 0.0, "batch_sizes": {}}
    put("facerec_engine_waiting", now["waiting"], queue)
    busy_s = now["work_s"] - before["work_s"]
    count("facerec_engine_busy_seconds_total", queue, by=busy_s)
    results = {"done": "calls", "refused": "refused", "expired": "expired"}
    for result, key in results.items():
        by = now[key] - before[key]  # type: ignore[literal-required]
        count("facerec_engine_calls_total", queue, result, by=by)
    for size, times in now["batch_sizes"].items():
        for _ in range(times - before["batch_sizes"].get(size, 0)):
            observe("facerec_engine_batch_items", size, queue)
