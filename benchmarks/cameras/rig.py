"""A whole site with network cameras in front of it: streams, an RTSP server, people, rows, and the
process of the site, all on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from benchmarks.cameras.answers import last_answers
from benchmarks.cameras.streams import FPS, SENSOR_FPS, Stream, write_sensor_film, write_streams
from benchmarks.overload import enrol, photo_pairs
from benchmarks.own_site import new_key, served, set_up
from benchmarks.peers import ROOT
from ml_engine.types import EngineError
from tools.ports import free_port
from tools.system import RTSP_SERVER, SYSTEM_PYTHON

if TYPE_CHECKING:
    from recognition.people.models import Collection

USED_FPS = 5.0
MIN_FACE_PX = 40
SECONDS = 24
# Different streams; more cameras show the same ones.
FACES, STILLS = 8, 4
_FACE_KBIT, _STILL_KBIT = 2000, 1000
# One person in so many is not enrolled.
_STRANGER_EVERY = 4
_READY_WITHIN_S = 180.0
_PLAYED_WITHIN_S = 300.0
_SCRIPT = Path(__file__).parent / "rtsp_server.py"
# Of the person who signs in on pages.
USER, PASSWORD = "watcher", "a-long-one-for-benchmarks-7"


@dataclass(frozen=True, slots=True)
class Options:
    """out: for streams and results. pictures: for charts."""

    data: Path
    weights: Path
    out: Path
    pictures: Path


@dataclass(frozen=True, slots=True)
class RtspServer:
    """processes: the server, and the sensor if there is one."""

    port: int
    processes: tuple[psutil.Process, ...]

    def url(self, name: str) -> str:
        return f"rtsp://127.0.0.1:{self.port}/{name}"


@dataclass(frozen=True, slots=True)
class Rig:
    """A running site. record: see `recorded.py`."""

    site: psutil.Process
    port: int
    key: str
    record: Path
    cameras: RtspServer
    collection: Collection

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def add_camera(self, name: str, mount: str, **values: Any) -> str:
        """A camera that is switched off; its id."""
        from accounts.audit import SYSTEM
        from recognition.cameras.services.cameras import camera_create
        from recognition.cameras.sources import NETWORK

        made = camera_create(
            collection=self.collection,
            actor=SYSTEM,
            name=name,
            kind=NETWORK,
            address=self.cameras.url(mount),
            is_enabled=False,
            **{"max_fps": USED_FPS, "min_face_px": MIN_FACE_PX, **values},
        )
        return str(made.pk)

    def play(self, names: Sequence[str]) -> None:
        """Switch these cameras on and all others off; returns once each is answered."""
        from recognition.cameras.models import Camera

        Camera.objects.exclude(name__in=names).update(is_enabled=False)
        Camera.objects.filter(name__in=names).update(is_enabled=True)
        began_s = time.monotonic()
        while missing := set(names) - last_answers(self.record, began_s):
            if time.monotonic() - began_s > _PLAYED_WITHIN_S:
                rows = Camera.objects.filter(name__in=missing).values_list("name", "status_message")
                raise EngineError(f"not played after {_PLAYED_WITHIN_S:.0f} s: {sorted(rows)}")
            time.sleep(1.0)

    def cpu_s(self) -> tuple[float, float]:
        """CPU time so far: of the site, and of the RTSP server with the sensor."""
        return _cpu_s([self.site]), _cpu_s(self.cameras.processes)


@contextmanager
def rigged(
    options: Options,
    *,
    faces: int = FACES,
    stills: int = STILLS,
    has_sensor: bool = False,
    **settings: str,
) -> Iterator[Rig]:
    """A site with so many mounts `face-N` and `still-N` and, if wanted, `sensor`; it has no cameras
    yet."""
    if not RTSP_SERVER[0].is_there():
        raise EngineError("no RTSP server: `python3 -m tools.prepare test` installs GStreamer's")
    people = _people(options)
    folders = write_streams(_streams(people, faces, stills), options.out / "streams")
    film = _film(options, people) if has_sensor else None
    with tempfile.TemporaryDirectory(prefix="facerec-bench-") as name:
        limits = {"MAX_STREAMS": "500", "MAX_STREAMS_PER_CALLER": "500"}
        set_up(Path(name) / "var", options.weights, CAMERA_ALLOW_LOCAL="True", **limits, **settings)
        collection, key = _filled(people), new_key("identify", "events")
        port, record = free_port(), Path(name) / "record.jsonl"
        program = ("-m", "benchmarks.cameras.site", str(record))
        with rtsp_server(folders, film) as cameras, served(port, *program) as pid:
            rig = Rig(psutil.Process(pid), port, key, record, cameras, collection)
            _await_ready(rig)
            yield rig


@contextmanager
def rtsp_server(folders: Mapping[str, Path], film: Path | None = None) -> Iterator[RtspServer]:
    """film: what the mount `sensor` shows."""
    port = free_port()
    mounts = [f"{name}={folder}" for name, folder in folders.items()]
    rates = [str(FPS), str(SENSOR_FPS)]
    running: list[subprocess.Popen[bytes]] = []
    source: Any = subprocess.DEVNULL
    try:
        if film is not None:
            command = [sys.executable, "-m", "benchmarks.cameras.sensor", str(film)]
            running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE))
            source = running[0].stdout
        command = [SYSTEM_PYTHON, str(_SCRIPT), str(port), *rates, *mounts]
        running.append(subprocess.Popen(command, stdin=source))
        _await_port(port)
        yield RtspServer(port, tuple(psutil.Process(process.pid) for process in running))
    finally:
        for process in running:
            process.kill()
            process.wait()


def busy_s() -> float:
    """Seconds that the cores of this machine were busy so far, whoever used them."""
    spent = psutil.cpu_times()
    return sum(spent) - spent.idle - getattr(spent, "iowait", 0.0) - getattr(spent, "guest", 0.0)


def _people(options: Options) -> list[tuple[str, bytes, bytes]]:
    """Name, a photo to enrol, and another one to show."""
    pairs = photo_pairs(options.data, options.weights)
    found = [pair for _, pair in zip(range(2 * FACES), pairs, strict=False)]
    # The samples are fewer: they appear several times.
    return [found[number % len(found)] for number in range(2 * FACES)]


def _streams(people: Sequence[tuple[str, bytes, bytes]], faces: int, stills: int) -> list[Stream]:
    shown = [photo for _, _, photo in people]
    pairs = [(shown[2 * number], shown[2 * number + 1]) for number in range(faces)]
    return [
        Stream(f"face-{number}", pair, SECONDS, _FACE_KBIT, number)
        for number, pair in enumerate(pairs)
    ] + [
        Stream(f"still-{number}", (), SECONDS // 2, _STILL_KBIT, FACES + number)
        for number in range(stills)
    ]


def _film(options: Options, people: Sequence[tuple[str, bytes, bytes]]) -> Path:
    photos = [photo for _, _, photo in people[:2]]
    return write_sensor_film(photos, options.out / "streams" / "sensor.npy", seconds=12)


def _filled(people: Sequence[tuple[str, bytes, bytes]]) -> Collection:
    """A gallery of three of four people, and a person who may sign in."""
    from accounts.audit import SYSTEM
    from accounts.models import User
    from recognition.engine import stop_engine
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection
    from recognition.people.services.collections import collection_create

    User.objects.create_superuser(USER, password=PASSWORD)
    collection = collection_create(
        actor=SYSTEM,
        name="Doors",
        embedder=ensure_model_version("mobilefacenet"),
        quality_policy=Collection.QualityPolicy.OFF,
    )
    photos = {name: photo for name, photo, _ in people}
    for number, (name, photo) in enumerate(photos.items()):
        if number % _STRANGER_EVERY != _STRANGER_EVERY - 1:
            enrol(collection, name, photo)
    stop_engine()
    return collection


def _await_ready(rig: Rig) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and rig.site.is_running():
        with suppress(requests.RequestException):
            if requests.get(f"{rig.url}/health/ready", timeout=10).status_code == 200:
                return
        time.sleep(0.5)
    raise EngineError("the site did not become ready")


def _await_port(port: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise EngineError("the RTSP server does not listen")


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    spent = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in spent)
