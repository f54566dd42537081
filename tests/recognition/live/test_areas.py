"""Faces count inside of watched areas and outside of ignored ones."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError

from ml_engine import Face
from recognition.cameras.models import Camera
from recognition.cameras.services.cameras import camera_update
from recognition.cameras.sources import BROWSER
from recognition.live import camera_settings
from recognition.live.areas import EVERYWHERE, Areas
from recognition.live.camera_settings import CameraSettings, SettingsInForce
from recognition.people.models import Collection
from tests.factories import ACTOR, make_camera
from tests.fakes import FakeEngine, photo
from tests.recognition.live.faces import face_at
from tests.recognition.live.streams import DrivenStream

SIZE = (800, 400)
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
TOP = [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]
# A C that is open to the right: the middle of the picture is not in it.
HOLLOW = [[0, 0], [1, 0], [1, 0.2], [0.2, 0.2], [0.2, 0.8], [1, 0.8], [1, 1], [0, 1]]
# Centres at 25 % and 75 % of the width, 25 % of the height; and at 75 % of both.
LEFT_TOP, RIGHT_TOP, RIGHT_LOW = face_at(150, 50), face_at(550, 50), face_at(550, 250)
FACES = [LEFT_TOP, RIGHT_TOP, RIGHT_LOW]


def _kept(faces: list[Face], **areas: list[Any]) -> list[Face]:
    return list(Areas.of({"watch": [], "ignore": [], **areas}).keep(faces, SIZE))  # type: ignore[typeddict-item]


def test_faces_count_everywhere_without_areas() -> None:
    assert EVERYWHERE.keep(FACES, SIZE) is FACES


def test_faces_outside_of_all_watched_areas_do_not_count() -> None:
    assert _kept(FACES, watch=[LEFT]) == [LEFT_TOP]
    assert _kept(FACES, watch=[LEFT, TOP]) == [LEFT_TOP, RIGHT_TOP]


def test_faces_in_an_ignored_area_do_not_count() -> None:
    assert _kept(FACES, ignore=[TOP]) == [RIGHT_LOW]
    assert _kept(FACES, watch=[TOP], ignore=[LEFT]) == [RIGHT_TOP]


def test_face_in_the_hollow_of_an_area_is_outside_of_it() -> None:
    middle, edge = face_at(350, 150), face_at(0, 150)
    assert _kept([middle, edge], watch=[HOLLOW]) == [edge]


def test_face_at_the_edge_of_the_picture_counts_with_its_centre_outside() -> None:
    beyond = face_at(-80, 100)
    assert _kept([beyond], watch=[LEFT]) == [beyond]


def test_cells_of_overlapping_areas_are_where_faces_count() -> None:
    assert EVERYWHERE.cells((90, 160)).all()
    areas = {"watch": [LEFT, TOP], "ignore": [[[0.8, 0], [1, 0], [1, 1], [0.8, 1]]]}
    cells = Areas.of(areas).cells((90, 160))  # type: ignore[arg-type]
    assert cells[20, 40] and cells[20, 110]
    assert not cells[70, 110] and not cells[20, 150]


def _away() -> None:
    raise OperationalError("gone")


@pytest.mark.django_db(transaction=True)
class TestInForce:
    def test_changed_areas_are_in_force_without_a_new_stream(
        self, engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(camera_settings, "_REREAD_S", 0.0)
        camera = make_camera(collection, kind=BROWSER, max_fps=60)
        with DrivenStream(collection, camera=camera) as stream:
            picture = photo(1)
            answer = stream.answer_to(picture)
            (face,) = answer["faces"]
            x = (face["box"][0] + face["box"][2] / 2) / answer["size"][0]
            around = [[max(0, x - 0.1), 0], [min(1, x + 0.1), 0], [x, 1]]
            camera_update(camera=camera, actor=ACTOR, areas={"ignore": [around]})
            assert stream.answer_to(picture)["faces"] == []
            camera_update(camera=camera, actor=ACTOR, areas={"watch": [around]})
            assert len(stream.answer_to(picture)["faces"]) == 1

    def test_one_query_reads_the_areas_for_all_streams(
        self, collection: Collection, django_assert_num_queries: object
    ) -> None:
        cameras = [
            make_camera(collection),
            make_camera(collection, areas={"watch": [LEFT], "ignore": []}),
        ]
        settings = SettingsInForce()
        with django_assert_num_queries(1):  # type: ignore[operator]
            found = [settings.of(camera.pk).areas for camera in cameras * 3]
        assert found[0] == EVERYWHERE
        assert len(found[1].watch) == 1

    def test_stream_waits_for_the_first_read_of_another_stream(
        self, collection: Collection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        camera, settings = uuid.uuid4(), SettingsInForce()
        begun, may_end = threading.Event(), threading.Event()
        wanted = CameraSettings(model_id=7)

        def read() -> None:
            begun.set()
            assert may_end.wait(30)
            settings._settings[camera] = wanted

        monkeypatch.setattr(settings, "_read", read)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(settings.of, camera)
            assert begun.wait(30)
            second = pool.submit(settings.of, camera)
            wait([second], timeout=0.2)
            may_end.set()
            assert [first.result(30), second.result(30)] == [wanted, wanted]

    def test_stream_begins_with_the_row_as_it_is_now(self, collection: Collection) -> None:
        camera, settings = make_camera(collection), SettingsInForce()
        assert settings.follow(camera.pk)().areas == EVERYWHERE
        areas = {"watch": [LEFT], "ignore": []}
        Camera.objects.update(areas=areas)
        newer = make_camera(collection, areas=areas)
        for each in (camera, newer):
            assert len(settings.follow(each.pk)().areas.watch) == 1
        Camera.objects.all().delete()
        settings._read()
        assert len(settings.of(camera.pk).areas.watch) == 1, "until its stream has ended"

    def test_stream_does_not_begin_without_its_row(
        self, collection: Collection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Camera.objects, "order_by", _away)
        with pytest.raises(OperationalError):
            SettingsInForce().follow(make_camera(collection).pk)()

    def test_last_areas_stay_in_force_while_the_database_is_away(
        self, collection: Collection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        camera = make_camera(collection, areas={"watch": [LEFT], "ignore": []})
        settings = SettingsInForce()
        settings.of(camera.pk)
        settings._read_s = -np.inf

        monkeypatch.setattr(Camera.objects, "order_by", _away)
        assert len(settings.of(camera.pk).areas.watch) == 1
        assert time.monotonic() - settings._read_s < 60, "it does not ask for each frame"
