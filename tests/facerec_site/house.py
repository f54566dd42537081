"""Several processes of one site on one database and one Redis, which are killed and paused, and
what must hold meanwhile. Django's models speak to the same database."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
from django.conf import settings
from django.db import connections
from django.db.models import Count
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from recognition.cameras.models import Camera, Stream
from recognition.cameras.sources import FILE
from recognition.events.models import Event
from recognition.people.models import Collection
from tests.databases import pause
from tests.facerec_site.site import Served
from tests.factories import make_camera
from tests.fakes import photo, portrait

# By name, which is also their node.
ROLES = {"web1": "web", "web2": "web", "back1": "cameras,jobs", "back2": "cameras,jobs"}
CAMERAS = 4
_VIDEO_FPS = 5
_POLL_S = 0.1
PATIENCE_S = 90.0
REFUSED = "another process has ended its stream"


def until(is_so: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> float:
    """Wait until a condition is true; returns the seconds that this took."""
    started = time.monotonic()
    while not is_so():
        if time.monotonic() - started > timeout_s:
            raise AssertionError(f"{what}: not within {timeout_s:.0f} s\n{state()}")
        time.sleep(_POLL_S)
    return time.monotonic() - started


def state() -> str:
    """The state of the rows, for the message of a failure."""
    cameras = Camera.objects.values_list("name", "owner", "lease_until", "status", "status_message")
    streams = Stream.objects.filter(ended_at=None)
    open_ = streams.values_list("camera__name", "caller", "owner", "lease_until")
    visits = Event.objects.filter(is_open=True).values_list("camera__name", "stream")
    return "\n".join(str(row) for rows in (cameras, open_, visits) for row in rows)


class Client:
    """A browser that streams its own frames to one web process; it reconnects by itself."""

    def __init__(self, house: House, name: str, key: str) -> None:
        self._house = house
        self._name = name
        self._key = key
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._stopped.wait(0.3):
            with suppress(OSError, WebSocketException, TimeoutError):
                url = self._house.members[self._name].url.replace("http", "ws")
                headers = {"Authorization": f"Bearer {self._key}"}
                with connect(f"{url}/ws/live/", additional_headers=headers, open_timeout=5) as line:
                    self._stream(line)

    def _stream(self, line: ClientConnection) -> None:
        line.send(json.dumps({"type": "session.start", "collection": str(self._house.collection)}))
        while json.loads(line.recv(20))["type"] != "session.started":
            pass
        while not self._stopped.wait(0.2):
            line.send(photo(60, size=80))
            while json.loads(line.recv(20))["type"] != "faces":
                pass


class House:
    """`members`: the processes that run or are paused, by name."""

    def __init__(
        self, folder: Path, collection: Collection, *, key: str, redis_url: str, **environment: str
    ) -> None:
        self.collection = collection.pk
        self.members: dict[str, Served] = {}
        self._folder = folder
        self.key = key
        self._environment = {
            "REDIS_URL": redis_url,
            "SECRET_KEY": settings.SECRET_KEY,
            "LEASE_S": str(settings.LEASE_S),
            **environment,
        }
        self._clients: list[Client] = []

    @contextmanager
    def standing(self) -> Iterator[House]:
        """With all its processes, cameras and clients."""
        (self._folder / "videos").mkdir(parents=True, exist_ok=True)
        for number in range(CAMERAS):
            _write_video(self._folder / "videos" / f"{number}.mp4", person=11 + number)
            make_camera(
                Collection.objects.get(),
                name=f"camera {number}",
                kind=FILE,
                address=f"{number}.mp4",
                max_fps=_VIDEO_FPS,
            )
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self.start, ROLES))
            web = [name for name, roles in ROLES.items() if roles == "web"]
            self._clients = [Client(self, name, self.key) for name in web]
            yield self
        finally:
            for client in self._clients:
                client.stop()
            for served in self.members.values():
                served.process.send_signal(signal.SIGCONT)
                served.kill()

    def start(self, name: str) -> None:
        arguments = ("--join", "--", "--port", "0", "--node", name, "--roles", ROLES[name])
        self.members[name] = Served(self._folder, *arguments, **self._environment)

    def settle(self) -> None:
        """Wait until every camera and every client has one stream with one open visit, and both
        processes with the role play cameras."""
        until(self._is_settled, "the house did not settle")

    def _is_settled(self) -> bool:
        cameras = Camera.objects.filter(status=Camera.Status.RUNNING)
        owners = {owner.partition(":")[0] for owner in cameras.values_list("owner", flat=True)}
        streams = Stream.objects.filter(ended_at=None)
        visited = streams.filter(events__is_open=True).distinct()
        count = CAMERAS + len(self._clients)
        return (
            cameras.count() == CAMERAS
            and owners == {"back1", "back2"}
            and streams.count() == visited.count() == count
        )

    def preview(self, name: str, camera: UUID, timeout_s: float = 20.0) -> float:
        """Seconds until a viewer of this web process sees the camera."""
        url = self.members[name].url.replace("http", "ws")
        headers = {"Authorization": f"Bearer {self.key}"}
        started = time.monotonic()
        with connect(f"{url}/ws/cameras/{camera}/", additional_headers=headers) as line:
            while time.monotonic() - started < timeout_s:
                with suppress(TimeoutError):
                    if isinstance(line.recv(1), bytes):
                        return time.monotonic() - started
        raise AssertionError(f"{camera} was not seen through {name}\n{state()}")


def _write_video(path: Path, *, person: int) -> None:
    picture = cv2.cvtColor(portrait(person, size=80), cv2.COLOR_RGB2BGR)
    picture = cv2.resize(picture, (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2))
    size = (picture.shape[1], picture.shape[0])
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), _VIDEO_FPS, size)
    assert video.isOpened()
    for _ in range(4 * _VIDEO_FPS):
        video.write(picture)
    video.release()


@dataclass(slots=True)
class Round:
    """What came of one kill or pause. taken_over_s: None if the process owned no camera. refused:
    visits that the process wanted to write when it woke."""

    victim: str
    action: str
    cameras: int
    open_visits: int
    closed_s: float = 0.0
    taken_over_s: float | None = None
    refused: int = 0
    previews_s: list[float] = field(default_factory=list)


class Rounds:
    """Rounds of random kills and pauses. AssertionError as soon as something does not hold.

    pause_s: how long a process is paused; twice the lease if it is not given.
    """

    def __init__(self, house: House, seed: int, *, pause_s: float | None = None) -> None:
        self._house = house
        self._pause_s = pause_s or 2 * settings.LEASE_S
        self._dice = random.Random(seed)

    def run(self, victim: str | None = None, action: str | None = None) -> Round:
        house = self._house
        house.settle()
        victim = victim or self._dice.choice(sorted(ROLES))
        action = action or self._dice.choice(["kill", "pause"])
        mine = f"{victim}:"
        cameras = list(Camera.objects.filter(owner__startswith=mine).values_list("pk", flat=True))
        streams = list(Stream.objects.filter(owner__startswith=mine).values_list("pk", flat=True))
        visits = Event.objects.filter(stream__in=streams)
        done = Round(victim, action, len(cameras), visits.filter(is_open=True).count())
        served = house.members[victim]
        begun_s = time.monotonic()
        if action == "kill":
            served.kill()
        else:
            pause(served.process)
        self._await_takeover(done, cameras, streams)
        assert not visits.filter(is_open=True).exists(), state()
        self._look_at_previews(done)
        if action == "kill":
            house.start(victim)
        else:
            _sleep_until(begun_s + self._pause_s)
            done.refused = _wake(served, streams)
        return done

    def _await_takeover(self, done: Round, cameras: list[UUID], streams: list[UUID]) -> None:
        begun_s = time.monotonic()
        left = Stream.objects.filter(pk__in=streams, ended_at=None)
        until(lambda: not left.exists(), "streams of a process that is gone were not ended")
        done.closed_s = time.monotonic() - begun_s
        if cameras:
            others = Camera.objects.filter(pk__in=cameras, status=Camera.Status.RUNNING)
            others = others.exclude(owner__startswith=f"{done.victim}:").exclude(owner="")
            until(lambda: others.count() == len(cameras), "cameras were not taken over")
            done.taken_over_s = time.monotonic() - begun_s

    def _look_at_previews(self, done: Round) -> None:
        """View one camera through each web process that answers."""
        camera = self._dice.choice(list(Camera.objects.values_list("pk", flat=True)))
        for name, roles in ROLES.items():
            if roles == "web" and name != done.victim:
                done.previews_s.append(self._house.preview(name, camera))


def _wake(served: Served, streams: list[UUID]) -> int:
    """Let a paused process go on; what it wants to write of the streams that it lost is refused.
    Returns how often it was."""
    before = _rows_of(streams)
    lines = len(served.lines)
    served.process.send_signal(signal.SIGCONT)
    time.sleep(settings.LEASE_S + 1.0)
    assert _rows_of(streams) == before, "a process that woke late wrote something"
    assert served.process.poll() is None, "".join(served.lines)
    return sum(REFUSED in line for line in served.lines[lines:])


def _rows_of(streams: list[UUID]) -> list[Any]:
    events = Event.objects.filter(stream__in=streams).order_by("pk")
    rows = Stream.objects.filter(pk__in=streams).order_by("pk")
    return [*events.values(), *rows.values()]


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))


@contextmanager
def nothing_doubled() -> Iterator[None]:
    """Check, in this block and at its end, that no camera has two streams or two open visits."""
    stopped = threading.Event()
    found: list[str] = []

    def look() -> None:
        while not stopped.wait(0.2):
            found.extend(_doubled())
        connections.close_all()

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        stopped.set()
        looking.join(10)
    assert not found, found[:5]
    assert not (overlapping := _overlapping_visits()), overlapping


def _doubled() -> list[str]:
    cameras = Camera.objects.filter(kind=FILE)
    streams = Stream.objects.filter(ended_at=None, camera__in=cameras).values("camera__name")
    visits = Event.objects.filter(is_open=True, camera__in=cameras).values("camera__name")
    return [
        f"{row} {state()}"
        for rows in (streams, visits)
        for row in rows.annotate(n=Count("pk")).filter(n__gt=1)
    ]


def _overlapping_visits() -> list[str]:
    """Each camera always shows one person, so its visits must not overlap."""
    found = []
    for camera in Camera.objects.filter(kind=FILE):
        visits = camera.events.order_by("started_at").values_list("pk", "started_at", "ended_at")
        found += [
            f"{camera}: {one} until {ended}, {other} from {started}"
            for (one, _, ended), (other, started, _) in pairwise(visits)
            if started < ended
        ]
    return found
