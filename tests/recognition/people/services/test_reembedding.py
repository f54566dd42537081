"""A collection whose model version is not installed: only it is refused, until it is taken up."""

from __future__ import annotations

import base64
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client

from ml_engine.zoo import preset
from recognition.jobs.models import Job
from recognition.people.index import gallery_of
from recognition.people.model_versions import installed_version, missing_version
from recognition.people.models import Collection, FaceImage, ModelVersion, Person, Template
from recognition.people.services.identification import identify, verify_person
from recognition.people.services.persons import person_erase
from recognition.people.services.reembedding import collection_take_up_model
from recognition.web.errors import ServiceError
from tests.callers import Caller
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]

OLD_HASH = "0" * 64


@pytest.fixture
def enrolled(collection: Collection) -> Person:
    """A collection that was enrolled with a version of another installation."""
    person = make_person(collection, name="Ann Example")
    enrol(person, 1, 1)
    ModelVersion.objects.filter(pk=collection.embedder_id).update(sha256=OLD_HASH)
    return person


@pytest.fixture
def outdated(enrolled: Person) -> Collection:
    return Collection.objects.select_related("embedder").get(pk=enrolled.collection_id)


def test_version_is_name_and_hash(collection: Collection) -> None:
    card = preset("mobilefacenet")
    assert collection.embedder.version == f"mobilefacenet@{card.sha256[:12]}"
    assert installed_version(collection.embedder) == collection.embedder.version


def test_identify_with_another_version_is_refused(outdated: Collection) -> None:
    with pytest.raises(ServiceError) as refused:
        identify(collection=outdated, data=photo(1), actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("model_version_missing", 409)
    assert refused.value.details == {
        "wanted": f"mobilefacenet@{OLD_HASH[:12]}",
        "installed": preset("mobilefacenet").name + "@" + preset("mobilefacenet").sha256[:12],
    }


def test_verify_and_enrol_with_another_version_are_refused(enrolled: Person) -> None:
    with pytest.raises(ServiceError, match="take up the installed one"):
        verify_person(person=enrolled, data=photo(1), actor=ACTOR)
    with pytest.raises(ServiceError, match="take up the installed one"):
        enrol(enrolled, 2)
    assert FaceImage.objects.count() == 2


def test_rest_answers_409_with_both_hashes(api: Caller, outdated: Collection) -> None:
    picture = base64.b64encode(photo(1)).decode()
    body = {"collection": str(outdated.pk), "image": picture}
    answer = api.post("/api/v1/identify", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "model_version_missing")
    assert set(error["details"]) == {"wanted", "installed"}


def test_missing_model_version_stops_no_other_collection(outdated: Collection) -> None:
    from recognition.people.model_versions import ensure_model_version

    other = make_collection(name="Other")
    other.embedder = ensure_model_version("mobilefacenet")
    other.save()
    bob = make_person(other, name="Bob")
    enrol(bob, 5)
    result = identify(collection=other, data=photo(5), actor=ACTOR)
    assert result.faces[0].person_name == "Bob"
    assert result.model == other.embedder.version


def test_take_up_model_embedsstored_faces_again(outdated: Collection, enrolled: Person) -> None:
    told: list[tuple[int, int]] = []
    version = collection_take_up_model(
        collection=outdated, actor=ACTOR, progress=lambda done, total: told.append((done, total))
    )
    now = Collection.objects.select_related("embedder").get(pk=outdated.pk)
    assert (now.embedder, missing_version(now)) == (version, None)
    assert told == [(2, 2)]
    assert {t.model_id for t in Template.objects.all()} == {version.pk}
    assert gallery_of(now).size == (1, 2)
    found = identify(collection=now, data=photo(1), actor=ACTOR).faces[0]
    assert (found.decision, found.person_id) == ("match", enrolled.pk)


def test_take_up_model_goes_on_after_a_stop(
    outdated: Collection, enrolled: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recognition.people.services.reembedding._BATCH", 1)

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        collection_take_up_model(collection=outdated, actor=ACTOR, progress=stop)
    assert Collection.objects.get(pk=outdated.pk).embedder_id == outdated.embedder_id
    assert Template.objects.count() == 3, "one face is done, and the old ones are there"
    counts: list[tuple[int, int]] = []
    collection_take_up_model(
        collection=outdated, actor=ACTOR, progress=lambda *each: counts.append(each)
    )
    assert counts == [(2, 2)]


@pytest.mark.parametrize("is_broken", [False, True], ids=["missing", "broken"])
def test_take_up_model_without_the_picture_goes_on(
    outdated: Collection, enrolled: Person, is_broken: bool
) -> None:
    first = enrolled.images.first()
    assert first is not None
    if is_broken:
        Path(first.file.path).write_bytes(b"no picture")
    else:
        Path(first.file.path).unlink()
    collection_take_up_model(collection=outdated, actor=ACTOR)
    now = Collection.objects.select_related("embedder").get(pk=outdated.pk)
    assert gallery_of(now).size == (1, 1)


def test_take_up_unknown_model_is_refused(outdated: Collection) -> None:
    ModelVersion.objects.filter(pk=outdated.embedder_id).update(name="gone")
    with pytest.raises(ServiceError) as refused:
        collection_take_up_model(collection=outdated, actor=ACTOR)
    assert refused.value.code == "model_unknown"


def test_person_of_outdated_collection_can_be_erased(
    outdated: Collection, enrolled: Person
) -> None:
    person_erase(person=enrolled, actor=ACTOR)
    assert not Template.objects.exists()


def test_command_takes_up_the_model(outdated: Collection) -> None:
    out = StringIO()
    call_command("take_up_model", "Main", stdout=out)
    assert "2 of 2 faces" in out.getvalue()
    assert "Main now uses mobilefacenet@" in out.getvalue()


def test_check_warns_only_if_asked_for_the_database(outdated: Collection) -> None:
    def found(**options: Any) -> list[str]:
        messages = run_checks(**options)
        return [str(message.msg) for message in messages if message.id == "facerec.W002"]

    assert found() == []
    (message,) = found(databases=["default"])
    assert message.startswith("Main: The collection was enrolled with mobilefacenet@000000000000")


def test_start_page_says_what_to_do(administrator: Client, outdated: Collection) -> None:
    page = administrator.get("/admin/").content.decode()
    assert "manage.py take_up_model" in page


def test_crop_geometry_maps_landmarks_into_the_crop(
    engine: FakeEngine, collection: Collection
) -> None:
    """The stored landmarks point at the same face in the crop as the engine finds there."""
    person = make_person(collection)
    (image,) = enrol(person, 3)
    from recognition.people.services.pictures import decoded
    from recognition.people.services.reembedding import stored_face

    with image.file.open("rb") as file, decoded(file.read()) as crop:
        face = stored_face(crop, image)
        (found,) = engine.find([crop])[0]
    assert face is not None
    assert abs(face.landmarks - found.landmarks).max() < 2.0
    assert abs(face.box - found.box).max() < 2.0


def test_template_names_the_detector_of_its_face(collection: Collection) -> None:
    enrol(make_person(collection), 1)
    template = Template.objects.select_related("detector").get()
    assert template.detector is not None
    assert template.detector.name == "mtcnn"


def test_rest_starts_one_job_that_takes_up_the_model(api: Caller, outdated: Collection) -> None:
    first = api.post(f"/api/v1/collections/{outdated.pk}/take-up-model")
    again = api.post(f"/api/v1/collections/{outdated.pk}/take-up-model")
    assert (first.status_code, first.json()["kind"]) == (202, "take_up_model")
    assert again.json()["id"] == first.json()["id"]


def test_taking_up_a_current_version_is_refused(api: Caller, collection: Collection) -> None:
    answer = api.post(f"/api/v1/collections/{collection.pk}/take-up-model")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "model_version_current")


def test_button_of_the_start_page_starts_the_job(
    administrator: Client, operator: Client, outdated: Collection
) -> None:
    url = f"/admin/people/collection/{outdated.pk}/take-up-model/"
    assert url in administrator.get("/admin/").content.decode()
    assert operator.post(url).status_code == 403
    answer = administrator.post(url)
    job = Job.objects.get()
    assert (job.kind, job.collection_id) == ("take_up_model", outdated.pk)
    assert answer["Location"] == f"/admin/jobs/job/{job.pk}/change/"
