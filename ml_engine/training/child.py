"""A run in a process of its own, for a program that starts it, watches it, and may end it.

Standard input: one line of JSON, the `Request`; later the line `stop`, to end the run with the best
weights so far. The end of the input ends this process at once: a run never outlives its watcher,
and the next one goes on from its checkpoint.

Standard output: lines of JSON. `progress` (step, steps, curve), and last `done` (file, curve,
figures, record) or `failed` (code, message, errno).
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.networks.design import Design
from ml_engine.recipe import Adaptation, Settings
from ml_engine.types import EngineError

if TYPE_CHECKING:
    from ml_engine.training.baselines import Seen
    from ml_engine.training.checkpoint import Judged, Position
    from ml_engine.training.data import Faces

# Recognition in other processes goes first.
_NICE = 10
_TELL_EVERY_S = 1.0
_LOCK = "lock"
_VERSIONS = 2
# All pairs of the pictures that judge a run are compared: 120 bytes each, while it does.
_MOST_JUDGED = 1000
# TensorFlow alone takes some hundred MB.
_LEAST_MEMORY_BYTES = 2**31
_WITHOUT_GPU = "-1"
_SAID = 300
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """task: a row of TASKS. folder: of the run. data: number of an open file with `faces` pictures
    of people and then `camera` pictures of a camera, RGB uint8 (size, size, 3) each. people: the
    person of each of the former, numbered from 0. others: people who are set apart. settings: of
    `Settings`, with those of its design, or of `Adaptation`. base: the preset that is adapted, and
    weights: the folder of its weights."""

    task: str
    folder: str
    data: int
    size: int
    faces: int
    camera: int
    people: list[int]
    others: int
    settings: Answer
    base: str
    weights: str

    def read_pictures(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Of the people, and of the camera: they stay in the file."""
        shape = (self.faces + self.camera, self.size, self.size, 3)
        with open(self.data, "rb", closefd=False) as file:
            file.seek(0)
            pictures = np.memmap(file, np.uint8, "r", shape=shape)
        return pictures[: self.faces], pictures[self.faces :]


class Watch:
    """What the watcher hears, and whether it wants the end of the run."""

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._stopping = threading.Event()
        self._told_s = 0.0

    def listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == "stop":
                self._stopping.set()
        os._exit(1)

    def ends(self, position: Position, steps: int) -> bool:
        now = time.monotonic()
        if now - self._told_s >= _TELL_EVERY_S or position.step == 1:
            self._told_s = now
            self.say(progress=_progress(position, steps))
        return self._stopping.is_set()

    def say(self, **answer: Answer) -> None:
        self._answers.write(json.dumps(_finite(answer)) + "\n")
        self._answers.flush()


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # of libraries that print
    os.nice(_NICE)
    _bound_memory()
    watch = Watch(answers)
    request = Request(**json.loads(sys.stdin.readline()))
    threading.Thread(target=watch.listen, daemon=True).start()
    try:
        with _alone(Path(request.folder)):
            watch.say(done=_run(request, watch))
    except OSError as error:
        watch.say(failed={"code": "os_error", "message": str(error), "errno": error.errno})
    except EngineError as error:
        watch.say(failed={"code": error.code, "message": error.message})
    # A network that cannot be built raises anything, such as for a picture that becomes too small.
    except Exception as error:
        traceback.print_exc()
        watch.say(
            failed={"code": "training_failed", "message": (str(error) or repr(error))[:_SAID]}
        )
    answers.close()
    os._exit(0)  # without waiting for the thread that listens


def _bound_memory() -> None:
    """To half of the machine, but for a GPU, whose driver reserves more than it uses. If memory is
    short all the same, the system ends this process before those that serve."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if os.environ.get("CUDA_VISIBLE_DEVICES") == _WITHOUT_GPU:
        half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        most = max(half, _LEAST_MEMORY_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A process that was paused, and whose run another one has taken over, may still write."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = "Another process still trains this run."
            raise EngineError(message, code="training_busy") from error
        yield


def _run(request: Request, watch: Watch) -> Answer:
    from ml_engine.training.record import OtherRun

    task = TASKS[request.task]
    try:
        return task(request, watch)
    except OtherRun:
        # Begun by another version of this program: it cannot end as it would have.
        for path in Path(request.folder).iterdir():
            if path.name != _LOCK:
                path.unlink()
        return task(request, watch)


def _train(request: Request, watch: Watch) -> Answer:
    from ml_engine.training.data import set_apart
    from ml_engine.training.judging import judge
    from ml_engine.training.record import record_of
    from ml_engine.training.train import train

    given = dict(request.settings)
    settings = Settings(design=Design(**given.pop("design")), **given)
    faces = _faces(request.read_pictures()[0], request, settings.design.channels)
    known, others = set_apart(faces, request.others, seed=settings.seed)
    others = others.first_of_each(_MOST_JUDGED)
    if settings.design.normalisation == "dataset":
        settings = replace(settings, design=settings.design.measured(known.pictures))
    found = train(settings, known, others, folder=Path(request.folder), ends=watch.ends)
    assert found.file is not None  # of a run with a folder
    judged = judge(found.network, others)
    figures = {"best_step": found.position.best_step, "others": asdict(judged)}
    return _done(found.file, found.position, figures, record_of(settings, known, others))


def _adapt(request: Request, watch: Watch) -> Answer:
    from ml_engine.networks import mobilefacenet
    from ml_engine.training.adapt import adapt, save_adapted
    from ml_engine.training.baselines import compare
    from ml_engine.training.camera import fit_camera, pairs_by
    from ml_engine.training.data import set_apart
    from ml_engine.training.record import begin_record, record_of
    from ml_engine.training.train import MODEL
    from ml_engine.zoo import fetch

    settings, folder = Adaptation(**request.settings), Path(request.folder)
    pictures, camera = request.read_pictures()
    faces = _faces(pictures, request, 3)
    known, apart = set_apart(faces, 2 * request.others, seed=settings.seed)
    parts = (range(request.others), range(request.others, 2 * request.others))
    others, tested = (apart.of(part).first_of_each(_MOST_JUDGED) for part in parts)
    record = record_of(settings, known, others)
    begin_record(folder, record)
    (file,) = fetch(request.base, Path(request.weights)).values()
    network = mobilefacenet.build(file)
    degradations = fit_camera(known.pictures, camera, seed=settings.seed)
    pairs = pairs_by(known, degradations, versions=_VERSIONS, seed=settings.seed)
    of_others = pairs_by(others, degradations, versions=1, seed=settings.seed + 1)
    of_tested = pairs_by(tested, degradations, versions=1, seed=settings.seed + 2)
    seen = _seen(network, pairs), _seen(network, of_others), _seen(network, of_tested)
    position = adapt(network, pairs, of_others, settings, folder=folder, ends=watch.ends)
    save_adapted(network, folder / MODEL)
    rows = compare(*seen, _seen(network, of_tested))
    figures = {
        "best_step": position.best_step,
        "tested": {"people": len(tested.names), "pictures": len(tested)},
        "compared": [asdict(row) for row in rows],
        "camera": [asdict(one) for one in degradations],
    }
    return _done(folder / MODEL, position, figures, record)


def _seen(network: Any, pairs: Any) -> Seen:
    """Vectors of each clean face, and of the first version of it that the camera gives."""
    from ml_engine.training.baselines import Seen
    from ml_engine.training.judging import compiled, embed

    run, camera = compiled(network), pairs.camera[: len(pairs.clean)]
    clean, seen = (embed(run, each, flip=False) for each in (pairs.clean, camera))
    return Seen(clean, seen, pairs.people)


def _faces(pictures: NDArray[np.uint8], request: Request, channels: int) -> Faces:
    """People have numbers here: what this process writes tells nobody's name."""
    from ml_engine.training.data import Faces, in_channels

    names = [str(number) for number in range(max(request.people) + 1)]
    return Faces(in_channels(pictures, channels), np.array(request.people, np.intp), names)


def _done(file: Path, position: Position, figures: Answer, record: Answer) -> Answer:
    told = {name: value for name, value in record.items() if name != "people"}
    return {
        **_progress(position, position.step),
        "file": file.name,
        "figures": figures,
        "record": told,
    }


def _progress(position: Position, steps: int) -> Answer:
    curve: list[Judged] = position.curve
    points = [asdict(point) for point in curve]
    return {"step": position.step, "steps": steps, "curve": points}


def _finite(value: Any) -> Any:
    """Without numbers that JSON does not know, such as the loss of a run that diverged."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


TASKS: dict[str, Callable[[Request, Watch], Answer]] = {"train": _train, "adapt": _adapt}
