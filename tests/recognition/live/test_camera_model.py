"""A camera is recognised with the model that it names, also if that changes while it runs."""

from __future__ import annotations

import pytest

from recognition.cameras.services.cameras import camera_update
from recognition.events.models import Event
from recognition.live import camera_settings, rulebook
from recognition.people.index import gallery_of
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.rules import rules_of
from recognition.people.services.model_changes import model_change_start, model_change_switch
from tests.factories import ACTOR, enrol, make_camera, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.live.streams import DrivenStream

pytestmark = pytest.mark.django_db(transaction=True)

ANN = 11


@pytest.fixture
def dlib(monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    """Another model, with vectors of another length. Streams read their rows in each frame."""
    for module in (rulebook, camera_settings):
        monkeypatch.setattr(module, "_REREAD_S", 0.0)
    return ensure_model_version("dlib_resnet")


@pytest.fixture
def both(engine: FakeEngine, collection: Collection, dlib: ModelVersion) -> Collection:
    """It keeps two models."""
    enrol(make_person(collection, name="Ann"), ANN, ANN)
    model_change_start(collection=collection, model=dlib, actor=ACTOR)
    run_jobs()
    return Collection.objects.select_related("embedder").get(pk=collection.pk)


def _threshold(collection: Collection) -> float:
    return round(rules_of(collection, gallery_of(collection)).threshold, 4)


def test_two_cameras_of_a_collection_are_recognised_with_a_model_each(
    both: Collection, dlib: ModelVersion
) -> None:
    cameras = [make_camera(both, max_fps=60), make_camera(both, max_fps=60, model=dlib)]
    answers = []
    for camera in cameras:
        with DrivenStream(both, camera=camera) as stream:
            answers.append(stream.show(photo(ANN, looks=1), frames=15))
            started = stream.wait_for(lambda message: message["type"] == "session.started")
            assert started["model"] == answers[-1]["model"]
    assert [answer["model"] for answer in answers] == [both.embedder.version, dlib.version]
    faces = [answer["faces"][0] for answer in answers]
    assert {face["person"]["name"] for face in faces} == {"Ann"}
    assert faces[0]["threshold"] == _threshold(both)
    # Its scores are normalised: each face has a threshold of its own.
    assert faces[1]["threshold"] == pytest.approx(_threshold(both.seen_by(dlib)), abs=0.1)
    assert faces[1]["threshold"] > faces[0]["threshold"] + 0.2
    events = {event.camera_id: event for event in Event.objects.all()}
    assert [events[camera.pk].model for camera in cameras] == [both.embedder, dlib]
    assert {event.person for event in events.values()} == {Person.objects.get()}


def test_visit_goes_on_when_its_camera_names_another_model(
    both: Collection, dlib: ModelVersion
) -> None:
    camera = make_camera(both, max_fps=60)
    with DrivenStream(both, camera=camera) as stream:
        before = stream.show(photo(ANN, looks=1), frames=15)
        camera_update(camera=camera, actor=ACTOR, model=dlib)
        after = stream.show(photo(ANN, looks=1), frames=15)
    assert (before["model"], after["model"]) == (both.embedder.version, dlib.version)
    (old,), (new,) = before["faces"], after["faces"]
    assert (old["track"], old["decision"]) == (new["track"], new["decision"])
    assert Event.objects.count() == 1


def test_camera_that_names_a_model_keeps_it_over_a_switch(
    both: Collection, dlib: ModelVersion
) -> None:
    camera = make_camera(both, max_fps=60, model=both.embedder)
    with DrivenStream(both, camera=camera) as stream:
        before = stream.show(photo(ANN, looks=1), frames=10)
        model_change_switch(collection=both, actor=ACTOR)
        after = stream.show(photo(ANN, looks=1), frames=10)
    assert before["model"] == after["model"] == both.embedder.version
    assert before["faces"][0]["threshold"] == after["faces"][0]["threshold"]
