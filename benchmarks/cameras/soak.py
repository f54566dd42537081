"""Endurance: six cameras that loop and viewers who come and go, on MariaDB and Redis. Does memory
grow, or the number of threads, handles or connections to the database?"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil

from benchmarks.cameras.answers import recorded_between
from benchmarks.cameras.figures import Slope, minute_means, percentile, slope_of
from benchmarks.cameras.rig import Options, Rig, rigged
from benchmarks.cameras.viewers import Comings, Viewers
from benchmarks.document import table
from benchmarks.laboratory.soak import anonymous_mb
from ml_engine.chart import chart_svg, linear_axis, series
from ml_engine.evaluation.charts import write_svg
from tools.private_mariadb import private_mariadb
from tools.private_redis import private_redis

PICTURE = "cameras-soak.svg"
# Of cameras with a face in view, and with a still room.
_FACES, _STILLS = 4, 2
_VIEWERS = 8
_EVERY_S = 5.0
_WRITTEN_S = 3.0
# A minute.
MOST_MEMORY_MB = 0.1
_LINES = {
    "memory_mb": "memory of its own, MB",
    "threads": "threads",
    "handles": "open handles",
    "connections": "connections to the database",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The site's process at one moment. memory_mb: pages that no file is behind."""

    minute: float
    memory_mb: float
    threads: int
    handles: int
    connections: int
    watching: int


@dataclass(frozen=True, slots=True)
class SoakRun:
    """samples: after the start, which is not counted. load: of the machine, mean and highest."""

    samples: Sequence[Sample]
    comings: Comings
    fps: float
    p95_ms: float
    load: tuple[float, float]

    def slope(self, name: str) -> Slope:
        values = [float(getattr(sample, name)) for sample in self.samples]
        return slope_of([sample.minute for sample in self.samples], values)

    def holds(self, name: str) -> bool:
        """Memory grows by less than the bar; of the others no rise is proved."""
        found = self.slope(name)
        return found.value < MOST_MEMORY_MB if name == "memory_mb" else found.low <= 0


def benchmark(options: Options, *, minutes: float, warm_up: float) -> str:
    """The block as Markdown. Draws the picture, and writes all samples to `options.out`."""
    with tempfile.TemporaryDirectory(prefix="facerec-soak-") as name:
        folder = Path(name)
        with (
            private_redis(folder / "redis") as redis,
            private_mariadb(folder / "database", is_disposable=True) as database,
            rigged(
                options, faces=_FACES, stills=_STILLS, DATABASE_URL=database, REDIS_URL=redis
            ) as rig,
        ):
            run = _run(rig, minutes, warm_up)
    options.out.mkdir(parents=True, exist_ok=True)
    samples = [asdict(sample) for sample in run.samples]
    (options.out / "cameras-soak.json").write_text(json.dumps(samples))
    write_svg(picture_of(run), options.pictures / PICTURE)
    return markdown(run, minutes, warm_up)


def _run(rig: Rig, minutes: float, warm_up: float) -> SoakRun:
    kinds = {"face": _FACES, "still": _STILLS}
    mounts = [f"{kind}-{number}" for kind, count in kinds.items() for number in range(count)]
    cameras = [rig.add_camera(mount, mount) for mount in mounts]
    rig.play(mounts)
    viewers = Viewers(rig.url, rig.key, cameras)
    start_s = time.monotonic() + 60 * warm_up
    end_s = start_s + 60 * minutes
    samples, load = asyncio.run(_watched(rig, viewers, start_s, end_s))
    time.sleep(_WRITTEN_S)
    answers = recorded_between(rig.record, start_s, end_s).answers
    p95_ms = percentile([answer.total_ms for answer in answers], 95)
    fps = len(answers) / (end_s - start_s) / len(cameras)
    return SoakRun(samples, viewers.comings, fps, p95_ms, load)


async def _watched(
    rig: Rig, viewers: Viewers, start_s: float, end_s: float
) -> tuple[list[Sample], tuple[float, float]]:
    coming = asyncio.create_task(viewers.come_and_go(_VIEWERS, until_s=end_s))
    samples, loads = [], []
    while (now_s := time.monotonic()) < end_s:
        sample = await asyncio.to_thread(_sample, rig, viewers, (now_s - start_s) / 60)
        _tell(sample)
        if sample.minute >= 0:
            samples.append(sample)
            loads.append(os.getloadavg()[0])
        await asyncio.sleep(max(0.0, min(_EVERY_S, end_s - time.monotonic())))
    await coming
    return samples, (sum(loads) / max(1, len(loads)), max(loads, default=0.0))


def _sample(rig: Rig, viewers: Viewers, minute: float) -> Sample:
    process: psutil.Process = rig.site
    return Sample(
        minute=round(minute, 3),
        memory_mb=anonymous_mb(process),
        threads=process.num_threads(),
        handles=process.num_fds(),
        connections=_connections(),
        watching=viewers.watching,
    )


def _connections() -> int:
    """To the database, without those of this process."""
    from django.db import connections

    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.processlist "
            "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        count: int = cursor.fetchone()[0]
    connections["default"].close()
    return count


def picture_of(run: SoakRun) -> str:
    """Means of minutes, each as a share of the first one."""
    minutes = [sample.minute for sample in run.samples]
    lines = []
    for name, label in _LINES.items():
        means = minute_means(minutes, [float(getattr(one, name)) for one in run.samples])
        first = means[0][1]
        points = [(minute, value / max(first, 1e-9)) for minute, value in means]
        lines.append((f"{label}: {first:.0f} in the first minute", points))
    return chart_svg(
        linear_axis("minutes", 0, max(1.0, minutes[-1])),
        linear_axis("share of the first minute", 0, 2),
        series(lines),
        title=f"{_FACES + _STILLS} cameras, viewers who come and go",
    )


def markdown(run: SoakRun, minutes: float, warm_up: float) -> str:
    rows = []
    for name, label in _LINES.items():
        values = [getattr(sample, name) for sample in run.samples]
        rows.append(
            [
                label,
                f"{min(values):.0f} to {max(values):.0f}",
                str(run.slope(name)),
                "yes" if run.holds(name) else "**no**",
            ]
        )
    comings = run.comings
    return "\n\n".join(
        [
            "## Cameras for most of an hour",
            table(["", "least to most", "a minute (95 %)", "within the bar"], rows),
            f"{minutes:g} minutes after {warm_up:g} of warming up; {_FACES} cameras with a face in "
            f"view and {_STILLS} with a still room, 1280x720, 10 frames a second, 5 used "
            f"({run.fps:.1f} answered; p95 {run.p95_ms:.0f} ms from the decoder to the answer); "
            f"{_VIEWERS} viewers who come and go: {comings.count:,} sockets, {comings.messages:,} "
            f"messages, {comings.failed} failed. One process on MariaDB and Redis; a sample every "
            f"{_EVERY_S:g} s, slopes over means of minutes. Bars: less than {MOST_MEMORY_MB} MB a "
            "minute; of the others no rise that is proved. Load of the machine "
            f"{run.load[0]:.1f} in the mean, {run.load[1]:.1f} at most.",
            f"![Memory, threads, handles and connections over minutes](images/{PICTURE})",
        ]
    )


def _tell(sample: Sample) -> None:
    told = "  ".join(f"{one.name} {getattr(sample, one.name):g}" for one in fields(sample))
    print(told, file=sys.stderr, flush=True)
