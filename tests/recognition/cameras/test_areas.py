"""Areas of a camera's picture: what is stored, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from recognition.cameras.areas import MOST_POLYGONS, checked_areas
from recognition.cameras.services.cameras import camera_create, camera_update
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import ACTOR, make_camera

CAMERAS = "/api/v1/cameras"
SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
REFUSED: dict[str, Any] = {
    "no object": [],
    "text": "watch",
    "null": None,
    "unknown kind": {"watched": []},
    "no list": {"watch": {}},
    "polygon of two points": {"watch": [[[0, 0], [1, 1]]]},
    "polygon of 65 points": {"ignore": [[[n / 65, n % 2] for n in range(65)]]},
    "point of three numbers": {"watch": [[[0, 0], [1, 0, 0], [1, 1]]]},
    "point of text": {"watch": [[[0, 0], ["1", 0], [1, 1]]]},
    "point of truth values": {"watch": [[[0, 0], [True, 0], [1, 1]]]},
    "point outside of the picture": {"watch": [[[0, 0], [1.01, 0], [1, 1]]]},
    "point that is no number": {"watch": [[[0, 0], [float("nan"), 0], [1, 1]]]},
    "line": {"watch": [[[0, 0], [0.5, 0.5], [1, 1]]]},
    "17 polygons": {"watch": [SQUARE] * 9, "ignore": [SQUARE] * 8},
}


def test_areas_are_completed_and_rounded() -> None:
    drawn = {"ignore": [[[0, 0], [0.123456, 0], [0.5, 1]]]}
    assert checked_areas(drawn) == {"watch": [], "ignore": [[[0, 0], [0.1235, 0], [0.5, 1]]]}
    assert checked_areas({}) == {"watch": [], "ignore": []}
    assert len(checked_areas({"watch": [SQUARE] * MOST_POLYGONS})["watch"]) == MOST_POLYGONS


@pytest.mark.parametrize("name", REFUSED)
def test_areas_that_make_no_sense_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        checked_areas(REFUSED[name])


@pytest.mark.django_db
class TestStored:
    @pytest.mark.parametrize("name", REFUSED)
    def test_service_refuses_areas_that_make_no_sense(
        self, collection: Collection, name: str
    ) -> None:
        with pytest.raises(ServiceError) as refused:
            camera_create(collection=collection, actor=ACTOR, name="Door", areas=REFUSED[name])
        assert refused.value.code == "invalid_areas"
        camera = make_camera(collection)
        with pytest.raises(ServiceError):
            camera_update(camera=camera, actor=ACTOR, areas=REFUSED[name])

    @pytest.mark.parametrize("name", set(REFUSED) - {"point that is no number"})
    def test_rest_refuses_areas_that_make_no_sense(
        self, api: Caller, collection: Collection, name: str
    ) -> None:
        camera = make_camera(collection)
        address = f"{CAMERAS}/{camera.pk}"
        answer = api.patch(address, {"areas": REFUSED[name]})
        if name == "null":
            good(answer)  # an optional field that is null counts as left out
        else:
            assert "areas" in refusal(answer, 400, "validation_error")["details"]["fields"]
        assert good(api.get(address))["areas"] == {"watch": [], "ignore": []}

    def test_areas_are_set_and_taken_away_over_rest(
        self, api: Caller, collection: Collection
    ) -> None:
        camera = make_camera(collection)
        address = f"{CAMERAS}/{camera.pk}"
        changed = good(api.patch(address, {"areas": {"watch": [SQUARE]}}))
        assert changed["areas"] == {"watch": [SQUARE], "ignore": []}
        assert good(api.patch(address, {"areas": {}}))["areas"] == {"watch": [], "ignore": []}
