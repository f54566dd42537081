"""Changing a collection's model on its page in the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from recognition.cameras.models import Camera
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, ModelChange
from tests.factories import enrol, make_calibration, make_model_change, make_person
from tests.recognition.admin_pages import address, page, told
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


@pytest.fixture
def changed(collection: Collection) -> str:
    enrol(make_person(collection), 1, 1)
    return address("people_collection_model_change", collection.pk)


def do(client: Client, changed: str, what: str, **more: str) -> str:
    """The message on the page after a button was pressed."""
    return told(client.post(changed, {"do": what, **more}))[-1]


def test_collection_page_leads_to_its_model(administrator: Client, collection: Collection) -> None:
    text = page(administrator.get(address("people_collection_change", collection.pk)))
    assert "Change the model" in text
    answer = administrator.get(address("people_collection_change_model", collection.pk))
    assert answer["Location"] == address("people_collection_model_change", collection.pk)


def test_whole_change_on_the_page(administrator: Client, changed: str) -> None:
    assert "Start" in page(administrator.get(changed))
    assert "Nothing changes until" in do(administrator, changed, "start", embedder="dlib_resnet")
    text = page(administrator.get(changed))
    assert 'data-state="queued"' in text
    assert 'value="switch"' not in text
    run_jobs()
    text = page(administrator.get(changed))
    for said in ("would be missed by most", 'value="switch"', 'value="cancel"', "78 are needed"):
        assert said in text
    assert "is in force." in do(administrator, changed, "switch")
    text = page(administrator.get(changed))
    assert 'value="roll_back"' in text
    assert 'value="let_go"' in text
    assert "in force again" in do(administrator, changed, "roll_back")
    do(administrator, changed, "switch")
    assert "is being removed" in do(administrator, changed, "let_go")
    assert ModelChange.objects.get().state == ModelChange.State.DONE


def test_page_names_the_cameras_of_the_second_model(
    administrator: Client, changed: str, collection: Collection
) -> None:
    do(administrator, changed, "start", embedder="dlib_resnet")
    run_jobs()
    assert "Both models can be kept" in page(administrator.get(changed))
    second = ensure_model_version("dlib_resnet")
    form = address("cameras_camera_add")
    values = {"name": "Gate", "collection": collection.pk, "kind": "browser", "model": second.pk}
    numbers = {"max_fps": 15, "min_face_px": 40, "clip_before_s": 5, "clip_after_s": 0}
    administrator.post(form, {**values, **numbers, "answers": "ok"})
    camera = Camera.objects.get()
    assert camera.model == second
    assert address("cameras_camera_change", camera.pk) in page(administrator.get(changed))
    assert "Gate: recognised with dlib_resnet" in do(administrator, changed, "cancel")


def test_rules_of_the_second_model_are_on_the_page_of_the_collection(
    administrator: Client, changed: str, collection: Collection
) -> None:
    mine = address("people_collection_change", collection.pk)
    assert "candidate_threshold" not in page(administrator.get(mine))
    do(administrator, changed, "start", embedder="dlib_resnet")
    text = page(administrator.get(mine))
    assert "The second model, dlib_resnet" in text
    assert "candidate_threshold" in text


def test_lost_faces_are_shown_and_accepted_on_the_page(
    administrator: Client, changed: str, collection: Collection
) -> None:
    image = collection.images.all()[0]
    image.file.storage.delete(str(image.file.name))
    do(administrator, changed, "start", embedder="dlib_resnet")
    run_jobs()
    assert f"images/{image.pk}/file" in page(administrator.get(changed))
    assert "cannot embed 1 of the images" in do(administrator, changed, "switch")
    assert "is in force" in do(administrator, changed, "switch", accepted_losses="1")


def test_page_says_what_becomes_of_a_fixed_threshold(
    administrator: Client, changed: str, collection: Collection
) -> None:
    Collection.objects.update(match_threshold=0.61)
    do(administrator, changed, "start", embedder="dlib_resnet")
    run_jobs()
    assert "The fixed threshold of 0.610 belongs to" in page(administrator.get(changed))
    assert "follows from the target rate" in do(administrator, changed, "switch")
    assert "A rollback brings the fixed threshold of 0.610" in page(administrator.get(changed))


def test_page_shows_both_models_side_by_side(
    administrator: Client, changed: str, collection: Collection
) -> None:
    make_calibration(collection)
    make_model_change(collection)
    text = page(administrator.get(changed))
    for side in ("source", "target"):
        assert f"det.svg?side={side}" in text
        assert f"scores.svg?side={side}" in text
    assert "Equal error rate 1.50 %" in text


def test_model_page_is_for_administrators(viewer: Client, operator: Client, changed: str) -> None:
    for client in (viewer, operator):
        assert client.get(changed).status_code == 403
        assert client.post(changed, {"do": "start"}).status_code == 403
