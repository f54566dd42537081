"""Streams of real faces through the real engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ml_engine.images import decode_image, encode_jpeg
from ml_engine.types import Image
from recognition.cameras.models import Camera
from recognition.cameras.sources import FILE
from recognition.events.models import Event
from recognition.live.cameras import CameraRunner
from recognition.live.writer import visit_writer
from recognition.people.models import Collection, Person
from recognition.people.services.enrolment import images_enrol
from recognition.web.uploads import Upload
from tests.factories import ACTOR, make_camera, make_person
from tests.pictures import GOOD
from tests.recognition.live.streams import DrivenStream, until

pytestmark = [
    pytest.mark.weights,
    pytest.mark.only_on("SQLite"),
    pytest.mark.django_db(transaction=True),
]

SIZE = (640, 480)
Photo = Callable[[str], bytes]


def _enrolled(collection: Collection, name: str, photo: bytes) -> Person:
    person = make_person(collection, name=name)
    (outcome,) = images_enrol(
        person=person, uploads=[Upload("photo", photo)], source="api", actor=ACTOR
    )
    assert outcome.accepted, outcome.message
    return person


def _placed(photo: bytes, scale: float, left: float, onto: Image | None = None) -> Image:
    """The photo, so many frames high, in front of a grey wall, its left edge at a share of the
    frame's width."""
    picture = decode_image(photo)
    factor = SIZE[1] / picture.shape[0] * scale
    move = np.array(
        [[factor, 0, left * SIZE[0]], [0, factor, (1 - scale) * SIZE[1] / 2]], np.float64
    )
    wall = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8) if onto is None else onto
    cv2.warpAffine(
        picture, move, SIZE, dst=wall, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
    )
    return wall


def _moved(photo: bytes, frames: int = 20) -> Iterator[bytes]:
    """JPEG frames in which the photo moves across, nearer and further."""
    for turn in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        image = _placed(photo, 0.92 + 0.08 * np.cos(turn), 0.2 + 0.12 * np.sin(turn))
        yield encode_jpeg(image, 85)


def _names(answer: dict[str, Any]) -> list[str]:
    return [face["person"]["name"] if face["person"] else "?" for face in answer["faces"]]


def test_one_person_is_named_and_another_is_unknown_one_event_each(
    real_engine: Any, collection: Collection, sample_photo: Photo
) -> None:
    obama = _enrolled(collection, "Obama", sample_photo("obama"))
    with DrivenStream(collection) as stream:
        told = [
            _names(stream.answer_to(frame))
            for name in ("obama2", "obama3")
            for frame in _moved(sample_photo(name))
        ]
        strange = [stream.answer_to(frame) for frame in _moved(sample_photo("biden"))]
    # From the third look on, at each photo, or the fourth: the other one shows the face elsewhere.
    assert told[4:20] == [["Obama"]] * 16
    assert told[24:] == [["Obama"]] * 16
    # He appears where the other one was, and bears that name for one frame at most.
    assert [_names(answer) for answer in strange[1:]] == [["?"]] * 19
    assert strange[-1]["faces"][0]["decision"] == "unknown"
    match, unknown = Event.objects.order_by("started_at")
    assert (match.person, match.decision) == (obama, "match")
    assert (unknown.person, unknown.decision) == (None, "unknown")
    assert match.image == obama.images.get()


def test_two_people_in_one_picture_keep_their_names(
    real_engine: Any, collection: Collection, sample_photo: Photo
) -> None:
    _enrolled(collection, "Obama", sample_photo("obama"))
    with DrivenStream(collection) as stream:
        for step in range(12):
            shift = 0.01 * step
            image = _placed(sample_photo("obama2"), 0.7, 0.0 + shift)
            image = _placed(sample_photo("biden"), 0.7, 0.55 - shift, onto=image)
            answer = stream.answer_to(encode_jpeg(image, 85))
    named = {
        name: face["box"][0] for name, face in zip(_names(answer), answer["faces"], strict=True)
    }
    assert named.keys() == {"Obama", "?"}
    assert named["Obama"] < named["?"]
    assert sorted(Event.objects.values_list("decision", flat=True)) == ["match", "unknown"]


@pytest.mark.parametrize("kind", GOOD)
def test_frames_of_every_good_kind_are_recognised(
    real_engine: Any, collection: Collection, sample_photo: Photo, kind: str
) -> None:
    _enrolled(collection, "Obama", sample_photo("obama"))
    frame = GOOD[kind](encode_jpeg(_placed(sample_photo("obama2"), 1.0, 0.2), 95))
    assert len(frame) < 2 * 2**20
    with DrivenStream(collection) as stream:
        assert _names(stream.show(frame)) == ["Obama"]


@pytest.mark.data
def test_an_actor_of_a_film_is_named_by_a_file_camera(
    real_engine: Any, collection: Collection, data_dir: Path, settings: Any
) -> None:
    videos = data_dir / "videos"
    people = {
        name: _enrolled(collection, name, (videos / f"{name}.png").read_bytes())
        for name in ("lin-manuel-miranda", "alex-lacamoire")
    }
    shutil.copy(videos / "short_hamilton_clip.mp4", Path(settings.VIDEO_DIR) / "clip.mp4")
    camera = make_camera(collection, kind=FILE, address="clip.mp4", loops=False, max_fps=10)
    runner = CameraRunner()
    runner.start()
    try:
        until(lambda: Camera.objects.filter(status_message="Played to the end.").exists(), 120)
    finally:
        assert runner.stop(20)
    assert visit_writer().flush(20)
    matches = Event.objects.filter(camera=camera, decision="match")
    seen = {event.person_id for event in matches}
    # The other one is there for half a second, small and blurred: named or not, never wrongly.
    assert people["lin-manuel-miranda"].pk in seen
    assert seen <= {person.pk for person in people.values()}
