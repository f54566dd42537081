"""The parts of a process beside its pages are started and stopped in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from recognition.cameras.sources import FILE
from recognition.engine import engine_state, use_engine
from recognition.events.models import Event
from recognition.live import cameras, session
from recognition.live.writer import VisitWriter
from recognition.people.models import Collection
from recognition.web.process import Process, use_process
from tests.factories import make_camera
from tests.fakes import FakeEngine, photo
from tests.recognition.live.streams import DrivenStream

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with the roles, and a fake engine."""
    started: list[Process] = []

    def begin(*roles: str) -> Process:
        made = Process(roles=roles)
        started.append(made)
        use_process(made)
        use_engine(FakeEngine())
        made.start()
        return made

    yield begin
    for made in started:
        made.stop(20)


def test_stopping_turns_open_visits_into_events(start: Start, collection: Collection) -> None:
    running = start("web")
    with DrivenStream(collection) as stream:
        stream.show(photo(1))
        assert running.stop(20)
        assert stream.ended_with == [None]
        assert not Event.objects.get().is_open
    assert engine_state()["state"] == "off"


def test_cameras_are_not_played_without_the_role(start: Start, collection: Collection) -> None:
    camera = make_camera(collection, kind=FILE, address="none.mp4")
    assert start("web").stop(20)
    camera.refresh_from_db()
    assert camera.owner == ""


def test_visits_have_time_to_be_written_at_a_slow_stop(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cameras use all the time that they are given to stop, and sessions do so, too."""
    given: dict[str, float] = {}

    def takes_all(what: str) -> Callable[[object, float], bool]:
        def stop(self: object, timeout_s: float) -> bool:
            given[what] = timeout_s
            now[0] += timeout_s
            return False

        return stop

    running = start("web", "cameras")
    assert running.part(cameras.CameraRunner).stop(20)
    now = [100.0]
    with monkeypatch.context() as patch:
        patch.setattr("recognition.web.process.time.monotonic", lambda: now[0])
        patch.setattr(cameras.CameraRunner, "stop", takes_all("cameras"))
        patch.setattr(session.Sessions, "stop", takes_all("sessions"))
        patch.setattr(VisitWriter, "stop", takes_all("writer"))
        assert not running.stop(15)
    assert given["cameras"] >= 5
    assert min(given["sessions"], given["writer"]) >= 2.5
    assert sum(given.values()) <= 15.1
