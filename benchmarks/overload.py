"""More live cameras than two cores can serve: the cost of a frame, and how fairly cameras are
served.

Each camera is a `StreamSession` on the real engine, all in one process. Frames are made beforehand
and put in decoded, so that only recognition is measured. In the middle of a run each camera shows
another person in the same place: the track continues, and the old name must disappear.

Run as a script with `VAR WEIGHTS DATA PASSES`, it measures and prints one JSON line for each run.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmarks.document import table
from ml_engine.images import decode_image
from ml_engine.types import EngineError, Image

if TYPE_CHECKING:
    from recognition.people.models import Collection

ROOT = Path(__file__).resolve().parent.parent
CAMERAS = (4, 8, 16, 32)
FPS = 5.0
SECONDS = 90.0
SIZE = (640, 480)
# The period of the movement of a face.
_FRAMES = 25
_PEOPLE = 12
_MOST_PASSES = 3
# A frame may wait this long for its answer after the last one was put.
_DRAIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Cast:
    """A person of the gallery, and frames that show them: RGB (h, w, 3) each."""

    name: str
    frames: Sequence[Image]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one frame: when it arrived, after how long, and the names in it."""

    frame: int
    at_s: float
    after_s: float
    names: frozenset[str]


@dataclass(slots=True)
class Shown:
    """What one camera showed and what was said about it. put_at: when each frame was put.
    exchanged: number of the first frame of the second person."""

    people: tuple[str, str]
    exchanged: int
    put_at: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def person(self, frame: int) -> str:
        return self.people[frame >= self.exchanged]

    def hear(self, message: dict[str, Any], now: float) -> None:
        """Count a message of the session."""
        if message["type"] == "faces":
            people = [face["person"] for face in message["faces"] if face["person"]]
            names = frozenset(person["name"] for person in people)
            number = message["frame"]
            self.answers.append(Answer(number, now, now - self.put_at[number], names))

    @property
    def named(self) -> int:
        """Answers with the right name and no other."""
        return sum(answer.names == {self.person(answer.frame)} for answer in self.answers)

    @property
    def wrong(self) -> int:
        """Answers with a name of a person who is not shown."""
        return sum(bool(answer.names - {self.person(answer.frame)}) for answer in self.answers)

    def old_name_s(self, end_s: float) -> float:
        """How long the first person was still named after the exchange: until the first answer
        that leaves them out for good. An answer stands until the next one, so it is never 0."""
        later = [answer for answer in self.answers if answer.frame >= self.exchanged]
        old = [n for n, answer in enumerate(later) if self.people[0] in answer.names]
        first = old[-1] + 1 if old else 0
        until = later[first].at_s if first < len(later) else end_s
        return until - self.put_at[self.exchanged]


@dataclass(frozen=True, slots=True)
class Run:
    """One run with this many cameras. cpu_s: of the whole process, from the first to the last
    frame."""

    cameras: int
    seconds: float
    put: int
    answered: int
    named: int
    wrong: int
    least: int
    embeddings: int
    cpu_s: float
    old_name_s: float
    p95_s: float

    @classmethod
    def of(cls, shown: Sequence[Shown], *, seconds: float, embeddings: int, cpu_s: float) -> Run:
        """seconds: from the first frame to the last answer."""
        end_s = shown[0].put_at[0] + seconds
        counts = [len(camera.answers) for camera in shown]
        ages = [answer.after_s for camera in shown for answer in camera.answers]
        return cls(
            cameras=len(shown),
            seconds=seconds,
            put=sum(len(camera.put_at) for camera in shown),
            answered=sum(counts),
            named=sum(camera.named for camera in shown),
            wrong=sum(camera.wrong for camera in shown),
            least=min(counts),
            embeddings=embeddings,
            cpu_s=cpu_s,
            old_name_s=max(camera.old_name_s(end_s) for camera in shown),
            p95_s=float(np.percentile(ages, 95)) if ages else float("nan"),
        )

    @property
    def cpu_ms(self) -> float:
        """A frame."""
        return 1000 * self.cpu_s / max(1, self.answered)

    @property
    def looks(self) -> float:
        """Embeddings a frame."""
        return self.embeddings / max(1, self.answered)

    @property
    def least_share(self) -> float:
        """Frames of the least served camera, as a share of the mean."""
        return self.least * self.cameras / max(1, self.answered)


def benchmark(weights: Path, data: Path, rounds: int) -> str:
    """The block as Markdown. Each number of cameras is measured `rounds` times, at most thrice."""
    passes = min(rounds, _MOST_PASSES)
    with tempfile.TemporaryDirectory(prefix="facerec-bench-") as var:
        arguments = [str(Path(var) / "site"), str(weights), str(data), str(passes)]
        command = [sys.executable, "-m", "benchmarks.overload", *arguments]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise EngineError(f"the cameras ended with {done.returncode}")
    return markdown([Run(**json.loads(line)) for line in done.stdout.splitlines()])


def medians(runs: Sequence[Run]) -> list[Run]:
    """One run for each number of cameras: the median of every figure on its own."""
    ordered = sorted(runs, key=lambda run: run.cameras)
    groups = [list(group) for _, group in itertools.groupby(ordered, key=lambda run: run.cameras)]
    names = [column.name for column in fields(Run)]
    return [
        Run(**{name: statistics.median_high(getattr(run, name) for run in group) for name in names})
        for group in groups
    ]


def markdown(runs: Sequence[Run]) -> str:
    told = medians(runs)
    head = ["cameras", "answered", "a second", "named", "wrong", "old name, longest s",
            "least served", "embeddings a frame", "CPU ms a frame", "cores used",
            "p95 s"]  # fmt: skip
    return "\n\n".join(
        [
            "## More cameras than the cores can serve",
            table(head, [_row(run, told[0]) for run in told]),
            f"{FPS:g} frames a second each for {SECONDS:g} seconds, {SIZE[0]}x{SIZE[1]}, put "
            "decoded; one face, which moves. After half of the time another person takes its "
            "place from one frame to the next. `named`: answers with the right name and no "
            "other; `wrong`: answers with another one. `old name`: from the exchange to the "
            "first answer without the old name, the longest of all cameras. `least served`: its "
            "frames as a share of the mean. In brackets: relative to the first row. CPU is that "
            "of the whole process. Median of all passes, each figure on its own.",
        ]
    )


def _row(run: Run, first: Run) -> list[str]:
    return [
        str(run.cameras),
        f"{run.answered} of {run.put}",
        f"{run.answered / run.seconds:.1f}",
        f"{run.named / max(1, run.answered):.1%}",
        str(run.wrong),
        f"{run.old_name_s:.2f}",
        f"{run.least_share:.2f}",
        f"{run.looks:.3f} ({run.looks / first.looks:.2f})",
        f"{run.cpu_ms:.1f} ({run.cpu_ms / first.cpu_ms:.2f})",
        f"{run.cpu_s / run.seconds:.2f}",
        f"{run.p95_s:.2f}",
    ]


def main() -> None:
    var, weights, data, passes = sys.argv[1:]
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
        # Ignore .env, so that the settings of this machine do not change the result.
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": var,
        "WEIGHTS_DIR": weights,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "",
        "REDIS_URL": "",
    }
    Path(var).mkdir(parents=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from recognition.engine import stop_engine
    from recognition.live.writer import visit_writer

    collection, cast = _prepared(Path(data), Path(weights))
    for _, cameras in itertools.product(range(int(passes)), CAMERAS):
        print(json.dumps(asdict(_measured(collection, cast, cameras))), flush=True)
        visit_writer().flush(30)
    visit_writer().stop(30)
    stop_engine()


def _measured(collection: Collection, cast: Sequence[Cast], cameras: int) -> Run:
    from recognition.engine import get_engine
    from recognition.live.session import StreamSession
    from recognition.live.slot import FrameSlot

    shown, slots, sessions = [], [], []
    for number in range(cameras):
        pair = _pair(cast, number)
        camera = Shown((pair[0].name, pair[1].name), _exchange_of(number))
        slot = FrameSlot()
        session = StreamSession(collection=collection, slot=slot, sink=_hearing(camera))
        session.start()
        shown.append(camera)
        slots.append(slot)
        sessions.append(session)
    time.sleep(1.0)
    embedded, cpu_s = get_engine().stats()["embed"]["items"], time.process_time()
    _feed(cast, shown, slots)
    time.sleep(_DRAIN_S)
    run = Run.of(
        shown,
        seconds=max(answer.at_s for one in shown for answer in one.answers) - shown[0].put_at[0],
        embeddings=get_engine().stats()["embed"]["items"] - embedded,
        cpu_s=time.process_time() - cpu_s,
    )
    for session in sessions:
        session.stop()
    for session in sessions:
        session.join(30)
    return run


def _hearing(camera: Shown) -> Any:
    return lambda message: camera.hear(message, time.monotonic())


def _pair(cast: Sequence[Cast], camera: int) -> tuple[Cast, Cast]:
    """Whom a camera shows first and second: never the same, and other pairs in each dozen."""
    first = camera % len(cast)
    step = 1 + camera // len(cast) % (len(cast) - 1)
    return cast[first], cast[(first + step) % len(cast)]


def _exchange_of(camera: int) -> int:
    """The moment of the exchange: in the middle of the run, and not for all cameras at once."""
    return round(SECONDS * FPS / 2) + camera % _FRAMES - _FRAMES // 2


def _feed(cast: Sequence[Cast], shown: Sequence[Shown], slots: Sequence[Any]) -> None:
    """Put every frame when it is due: the cameras one after the other, evenly over the interval."""
    people = {person.name: person for person in cast}
    began = time.monotonic()
    for number in range(round(SECONDS * FPS)):
        for index, (camera, slot) in enumerate(zip(shown, slots, strict=True)):
            due = began + (number + index / len(shown)) / FPS
            time.sleep(max(0.0, due - time.monotonic()))
            frames = people[camera.person(number)].frames
            camera.put_at.append(time.monotonic())
            slot.put(frames[(number + 7 * index) % len(frames)])


def _prepared(data: Path, weights: Path) -> tuple[Collection, list[Cast]]:
    """A gallery of people, and frames in which each is recognised when nothing else runs: the
    accuracy of the model is not what is measured."""
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection
    from recognition.people.services.collections import collection_create

    collection = collection_create(
        actor=SYSTEM,
        name="Overload",
        embedder=ensure_model_version("mobilefacenet"),
        quality_policy=Collection.QualityPolicy.OFF,
    )
    cast: list[Cast] = []
    for name, enrolled, other in photo_pairs(data, weights):
        enrol(collection, name, enrolled)
        frames = moved(other)
        if _is_recognised(collection, name, frames):
            cast.append(Cast(name, frames))
        if len(cast) == _PEOPLE:
            break
    if len(cast) < 2:
        raise SystemExit("Two people are needed, and not so many are recognised.")
    return collection, cast


def photo_pairs(data: Path, weights: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, a photo to enrol and another one to show; of the samples if there are no others."""
    for folder in sorted((data / "lfw").glob("*/")):
        files = sorted(folder.glob("*.jpg"))
        if len(files) >= 2:
            yield folder.name, files[0].read_bytes(), files[1].read_bytes()
    if not (data / "lfw").is_dir():
        from ml_engine.zoo import fetch

        samples = fetch("samples", weights)
        for name, enrolled, other in (("A", "obama", "obama2"), ("B", "biden", "biden")):
            first, second = (samples[f"{photo}.jpg"].read_bytes() for photo in (enrolled, other))
            yield name, first, second


def enrol(collection: Collection, name: str, photo: bytes) -> None:
    from accounts.audit import SYSTEM
    from recognition.people.services.enrolment import images_enrol
    from recognition.people.services.persons import person_create
    from recognition.web.uploads import Upload

    person = person_create(collection=collection, actor=SYSTEM, name=name)
    images_enrol(person=person, uploads=[Upload(name, photo)], source="import", actor=SYSTEM)


def _is_recognised(collection: Collection, name: str, frames: Sequence[Image]) -> bool:
    from accounts.audit import SYSTEM
    from ml_engine.images import encode_jpeg
    from recognition.people.services.identification import identify

    found = (
        identify(collection=collection, data=encode_jpeg(frame, 95), actor=SYSTEM).faces
        for frame in frames[::8]
    )
    return all([face.person_name for face in faces] == [name] for faces in found)


def moved(photo: bytes) -> list[Image]:
    """RGB frames in which the photo moves in front of a grey wall, nearer and further."""
    picture = decode_image(photo)
    height, width = picture.shape[:2]
    frames: list[Image] = []
    for turn in np.linspace(0, 2 * np.pi, _FRAMES, endpoint=False):
        scale = SIZE[1] / height * (0.9 + 0.1 * np.cos(2 * turn))
        left = (SIZE[0] - scale * width) * (0.5 + 0.4 * np.sin(turn))
        move = np.array([[scale, 0, left], [0, scale, 0.5 * (SIZE[1] - scale * height)]])
        frame = cv2.warpAffine(picture, move, SIZE, borderValue=(110, 110, 110))
        frames.append(np.asarray(frame, np.uint8))
    return frames


if __name__ == "__main__":
    main()
