"""How many cameras a machine holds: all with a face in view, or most of them in a still room."""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cameras.answers import Answer, Recorded, in_order, recorded_between
from benchmarks.cameras.figures import percentile
from benchmarks.cameras.rig import FACES, STILLS, USED_FPS, Options, Rig, busy_s, rigged
from benchmarks.document import table

CAMERAS = (4, 8, 12, 16)
QUIET = (32, 48)
# Of the cameras of a quiet run, so many have a face in view.
FACES_IN_QUIET = 4
_SETTLES_S = 10.0
# The record is written a little later.
_WRITTEN_S = 3.0
_MOUNTS = {"face": FACES, "still": STILLS}


@dataclass(frozen=True, slots=True)
class Spent:
    """Cores that were busy: those of the site, of the RTSP server, and of all other programs."""

    site: float
    server: float
    others: float


@dataclass(frozen=True, slots=True)
class LoadRun:
    """Cameras with a face in view and with a still room, watched for `seconds`."""

    faces: Sequence[str]
    stills: Sequence[str]
    seconds: float
    recorded: Recorded
    spent: Spent

    @property
    def cameras(self) -> int:
        return len(self.faces) + len(self.stills)

    @property
    def least_fps(self) -> float:
        """Answers a second of the least served camera."""
        counts = Counter(answer.camera for answer in self.recorded.answers)
        return min(counts[name] for name in [*self.faces, *self.stills]) / self.seconds

    @property
    def of_faces(self) -> list[Answer]:
        names = set(self.faces)
        return [answer for answer in self.recorded.answers if answer.camera in names]

    def row(self) -> list[str]:
        answers, faces = self.recorded.answers, self.of_faces
        seen = sum(answer.faces > 0 for answer in faces) / max(1, len(faces))
        return [
            f"{self.cameras}",
            f"{len(self.stills)}",
            f"{len(answers) / self.seconds:.1f} of {self.cameras * USED_FPS:g}",
            f"{self.least_fps:.1f}",
            f"{percentile([one.total_ms for one in answers], 50):.0f}",
            f"{percentile([one.total_ms for one in answers], 95):.0f}",
            f"{percentile([one.total_ms for one in faces], 95):.0f}",
            f"{seen:.0%}",
            f"{self.spent.site:.2f}",
            f"{1000 * self.spent.site / self.cameras:.0f}",
            f"{self.spent.server:.2f}",
            f"{self.spent.others:.2f}",
        ]


_HEAD = ["cameras", "still rooms", "answers a second", "least served", "p50 ms", "p95 ms",
         "p95, a face in view", "answers with a face", "site, cores",
         "ms of CPU a second and camera", "RTSP server, cores", "other programs"]  # fmt: skip


def benchmark(
    options: Options, *, cameras: Sequence[int], quiet: Sequence[int], seconds: float
) -> str:
    """The block as Markdown."""
    groups = [(count, 0) for count in cameras]
    groups += [(min(FACES_IN_QUIET, count), max(0, count - FACES_IN_QUIET)) for count in quiet]
    with rigged(options) as rig:
        doors = _Doors(rig)
        return markdown([doors.watch(*group, seconds) for group in groups], seconds)


class _Doors:
    """Rows of cameras, made when they are first needed."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._made: set[str] = set()

    def watch(self, faces: int, stills: int, seconds: float) -> LoadRun:
        names = self._names("face", faces), self._names("still", stills)
        _tell(f"{faces} cameras with a face in view, {stills} with a still room")
        self._rig.play([*names[0], *names[1]])
        time.sleep(_SETTLES_S)
        start_s, before = time.monotonic(), (*self._rig.cpu_s(), busy_s())
        time.sleep(seconds)
        end_s, after = time.monotonic(), (*self._rig.cpu_s(), busy_s())
        spent = spent_between(before, after, end_s - start_s)
        time.sleep(_WRITTEN_S)
        recorded = recorded_between(self._rig.record, start_s, end_s)
        run = LoadRun(*names, end_s - start_s, recorded, spent)
        _tell(" | ".join(run.row()))
        return run

    def _names(self, kind: str, count: int) -> list[str]:
        names = [f"{kind} {number:02d}" for number in range(count)]
        for number, name in enumerate(names):
            if name not in self._made:
                self._rig.add_camera(name, f"{kind}-{number % _MOUNTS[kind]}")
                self._made.add(name)
        return names


def spent_between(
    before: tuple[float, float, float], after: tuple[float, float, float], seconds: float
) -> Spent:
    """Each: seconds of the site, of the server, and of the whole machine."""
    site, server, machine = ((b - a) / seconds for a, b in zip(before, after, strict=True))
    return Spent(site, server, max(0.0, machine - site - server))


def markdown(runs: Sequence[LoadRun], seconds: float) -> str:
    return "\n\n".join(
        [
            "## Network cameras",
            table(_HEAD, [run.row() for run in runs]),
            f"H.264 by RTSP over TCP, 1280x720, 10 frames a second, a key frame every 2 s, "
            f"{USED_FPS:g} used, smallest face 40; sensor noise of sigma 3; the RTSP server is a "
            f"process on the same machine. A face of 60 to 200 pixels is in view all the time, at "
            f"2 Mb/s, or a room is still, at 1 Mb/s; three of four people are enrolled. "
            f"{seconds:g} seconds each, after a start of {_SETTLES_S:g} that is not counted. p50 "
            "and p95: from the moment a frame leaves the decoder to its answer. `other programs`: "
            "cores that were busy with anything else; if there is more than a little, times are "
            "too long.",
            "Cores by what the site's threads do:",
            _cores_table(runs),
            "Milliseconds of a frame by stage, of cameras with a face in view, median and p95; a "
            "frame that does not go through a stage is not counted in it; `decode` is the "
            "conversion to RGB:",
            _stages_table(runs),
        ]
    )


def _cores_table(runs: Sequence[LoadRun]) -> str:
    stages = list(dict.fromkeys(stage for run in runs for stage in run.recorded.cores))
    rows = [
        [_name(run), *(f"{run.recorded.cores.get(stage, 0.0):.2f}" for stage in stages)]
        for run in runs
    ]
    return table(["cameras", *stages], rows)


def _stages_table(runs: Sequence[LoadRun]) -> str:
    found = [by_stage(run.of_faces) for run in runs]
    stages = in_order(itertools.chain.from_iterable(found))
    rows = [
        [
            _name(run),
            *(
                f"{percentile(times[stage], 50):.1f}, {percentile(times[stage], 95):.1f}"
                if times.get(stage)
                else "-"
                for stage in stages
            ),
        ]
        for run, times in zip(runs, found, strict=True)
    ]
    return table(["cameras", *stages], rows)


def by_stage(answers: Sequence[Answer]) -> dict[str, list[float]]:
    """Milliseconds of each stage, a value for each frame that went through it."""
    times: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        for stage, ms in answer.timing_ms.items():
            times[stage].append(ms)
    return times


def _name(run: LoadRun) -> str:
    return f"{run.cameras}, {len(run.stills)} still" if run.stills else f"{run.cameras}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
