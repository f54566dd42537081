"""The demo on the real engine: who is enrolled is named, the stranger is not."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from accounts.audit import Actor
from ml_engine.types import Image
from ml_engine.zoo import fetch
from recognition.cameras.models import Camera
from recognition.cameras.services import demo, demo_video
from recognition.cameras.services.demo import demo_ensure
from recognition.cameras.sources import FILE
from recognition.people.models import Collection, FaceImage, Person
from recognition.people.services.identification import identify
from tests.factories import enrol, make_camera, make_collection, make_person
from tests.fakes import FakeEngine, photo


@pytest.fixture
def photos(settings: Any) -> dict[str, Path]:
    return fetch("samples", settings.WEIGHTS_DIR)


def frames_of(video: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(video))
    frames: list[Image] = []
    while True:
        is_read, frame = capture.read()
        if not is_read:
            return frames
        frames.append(np.asarray(frame[:, :, ::-1], dtype=np.uint8))


def jpeg(frame: Image) -> bytes:
    return cv2.imencode(".jpg", frame[:, :, ::-1])[1].tobytes()


@pytest.mark.weights
@pytest.mark.only_on("SQLite")
class TestDemo:
    def test_demo_names_the_enrolled_person_only(
        self,
        photos: dict[str, Path],
        actor: Actor,
        settings: Any,
        real_engine: Any,
        db: None,
    ) -> None:
        collection = demo_ensure(photos=photos, actor=actor).collection
        frames = frames_of(settings.VIDEO_DIR / demo.VIDEO_NAME)
        walk = round(demo_video.WALK_S * demo_video.FPS)
        each = walk + round(demo_video.EMPTY_S * demo_video.FPS)
        assert len(frames) == each * len(demo.PLAYED)
        for number, name in enumerate(demo.PLAYED):
            middle = jpeg(frames[number * each + walk // 2])
            faces = identify(collection=collection, data=middle, actor=actor).faces
            expected = None if name == "biden.jpg" else demo.PERSON_NAME
            assert [face.person_name for face in faces] == [expected], name
            empty = jpeg(frames[number * each + walk + 5])
            assert identify(collection=collection, data=empty, actor=actor).faces == []

    def test_second_demo_changes_nothing(
        self,
        photos: dict[str, Path],
        actor: Actor,
        settings: Any,
        real_engine: Any,
        db: None,
    ) -> None:
        demo_ensure(photos=photos, actor=actor)
        video = settings.VIDEO_DIR / demo.VIDEO_NAME
        before = video.stat().st_mtime_ns
        demo_ensure(photos=photos, actor=actor)
        assert video.stat().st_mtime_ns == before
        assert Person.objects.get().name == demo.PERSON_NAME
        assert FaceImage.objects.get().source == "demo"
        camera = Camera.objects.get()
        assert (camera.kind, camera.address) == (FILE, demo.VIDEO_NAME)
        assert camera.is_enabled


def test_demo_says_if_a_photo_has_no_face(
    collection: Collection,
    photos: dict[str, Path],
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blank = tmp_path / "obama.jpg"
    blank.write_bytes(photo())
    monkeypatch.setattr(
        "recognition.cameras.management.commands.demo.fetch",
        lambda *args: {**photos, "obama.jpg": blank},
    )
    with pytest.raises(CommandError, match=r"obama\.jpg was refused"):
        call_command("demo", stdout=StringIO())
    assert not Camera.objects.exists()
    assert not Person.objects.exists()


@pytest.fixture
def drawn_demo(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """Samples that the fake engine finds faces in, and no video to make."""
    drawn = {}
    for looks, (name, number) in enumerate(
        {"obama.jpg": 1, "obama2.jpg": 1, "obama3.jpg": 1, "biden.jpg": 2}.items()
    ):
        drawn[name] = tmp_path / name
        drawn[name].write_bytes(photo(number, looks=looks))
    monkeypatch.setattr(demo, "write_demo_video", lambda path, images: path.touch())
    monkeypatch.setattr("recognition.cameras.management.commands.demo.fetch", lambda *args: drawn)
    return drawn


def test_demo_runs_twice_although_the_face_is_enrolled_elsewhere(
    collection: Collection, person: Person, drawn_demo: dict[str, Path]
) -> None:
    enrol(person, 1)
    make_camera(collection, name=demo.CAMERA_NAME)
    for _ in range(2):
        call_command("demo", stdout=StringIO())
    assert Collection.objects.filter(name=demo.COLLECTION_NAME).count() == 1
    enrolled = Person.objects.get(collection__name=demo.COLLECTION_NAME)
    assert (enrolled.name, enrolled.images.count()) == (demo.PERSON_NAME, 1)
    assert Camera.objects.filter(collection=enrolled.collection).count() == 1


def test_demo_takes_a_renamed_person_as_known(
    collection: Collection, drawn_demo: dict[str, Path]
) -> None:
    own = make_collection(name=demo.COLLECTION_NAME)
    enrol(make_person(own, name="Mr President"), 1)
    call_command("demo", stdout=StringIO())
    assert Person.objects.get().name == "Mr President"


def test_demo_gives_the_photo_to_a_person_left_without_one(
    collection: Collection, drawn_demo: dict[str, Path]
) -> None:
    left = make_person(make_collection(name=demo.COLLECTION_NAME), name=demo.PERSON_NAME)
    call_command("demo", stdout=StringIO())
    assert left.images.count() == 1
    assert Person.objects.count() == 1


def test_demo_leaves_no_broken_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> Image:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(demo_video, "_with_person", fail)
    with pytest.raises(RuntimeError):
        demo_video.write_demo_video(tmp_path / "demo.mp4", [np.zeros((9, 9, 3), np.uint8)])
    assert not (tmp_path / "demo.mp4").exists()
