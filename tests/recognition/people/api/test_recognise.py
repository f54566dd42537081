"""detect, identify, verify, embed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.access import Scope
from accounts.models import AuditEntry
from ml_engine import DeadlineExceeded
from ml_engine.zoo import preset
from recognition.events.models import Event
from recognition.people.index import forget_galleries
from recognition.people.models import Collection, FaceImage, Person, Template
from tests.answers import good, refusal
from tests.callers import Caller, with_key
from tests.factories import enrol, make_collection, make_person
from tests.fakes import FakeEngine, photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def send(api: Caller, operation: str, data: bytes, **options: Any) -> Any:
    fields = {"image": SimpleUploadedFile("p.jpg", data), **options}
    return api.post(f"/api/v1/{operation}", fields, format="multipart")


def compare(api: Caller, first: bytes, second: bytes, **options: Any) -> Any:
    other = SimpleUploadedFile("q.jpg", second)
    return send(api, "verify", first, other_image=other, **options)


@pytest.fixture
def ann(person: Person) -> Person:
    enrol(person, 5, 5)
    return person


class TestDetect:
    def test_detect_answers_with_all_faces_largest_first(self, api: Caller) -> None:
        answer = good(send(api, "detect", photo(1, 2, 3)))
        assert len(answer["faces"]) == 3
        face = answer["faces"][0]
        assert len(face["box"]) == 4
        assert len(face["landmarks"]) == 5
        assert face["quality"]["score"] == 0.9
        width, height = answer["size"]
        assert width > height
        assert answer["timing_ms"]["total"] > 0

    def test_request_that_waits_too_long_is_answered_503(
        self, api: Caller, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_late(*_: Any, **__: Any) -> Any:
            raise DeadlineExceeded()

        monkeypatch.setattr(engine, "find", too_late)
        refusal(send(api, "detect", photo(1)), 503, "deadline_exceeded")

    def test_a_picture_without_faces_is_no_error(self, api: Caller) -> None:
        assert good(send(api, "detect", photo()))["faces"] == []

    def test_detect_writes_an_audit_entry_only(self, api: Caller) -> None:
        good(send(api, "detect", photo(1)))
        entry = AuditEntry.objects.get(action="face.detect")
        assert entry.details == {"faces": 1}
        assert entry.actor.startswith("key:frk_")
        assert not FaceImage.objects.exists()


class TestIdentify:
    def test_identify_names_every_known_face(self, api: Caller, ann: Person) -> None:
        bob = make_person(ann.collection, name="Bob", external_id="b-1")
        enrol(bob, 9)
        answer = good(send(api, "identify", photo(5, 9, 200, looks=4)))
        named = {f["person"]["name"] if f["person"] else None for f in answer["faces"]}
        assert named == {"Ann Example", "Bob", None}
        assert [f["decision"] for f in answer["faces"]].count("match") == 2
        assert answer["model"] == preset("mobilefacenet").version
        assert answer["collection"] == str(ann.collection_id)

    def test_a_match_names_the_image_and_the_odds(self, api: Caller, ann: Person) -> None:
        face = good(send(api, "identify", photo(5, looks=4)))["faces"][0]
        assert face["image"] in {str(image.pk) for image in ann.images.all()}
        assert face["similarity"] > face["threshold"]
        assert 0 <= face["false_match_rate"] < 0.01
        assert face["candidates"][0]["person"] == face["person"]

    def test_identify_answers_unknown_for_a_stranger(self, api: Caller, ann: Person) -> None:
        face = good(send(api, "identify", photo(77)))["faces"][0]
        assert (face["decision"], face["person"], face["image"]) == ("unknown", None, None)
        assert face["candidates"][0]["person"]["name"] == "Ann Example"

    def test_two_people_who_look_alike_are_ambiguous(self, api: Caller, ann: Person) -> None:
        twin = make_person(ann.collection, name="Twin")
        enrol(twin, 9)
        # A row, because enrolment would refuse a face that looks like Ann.
        hers = Template.objects.filter(image__person=ann).latest("pk").vector
        Template.objects.filter(image__person=twin).update(vector=hers)
        forget_galleries()
        face = good(send(api, "identify", photo(5, looks=4)))["faces"][0]
        assert (face["decision"], face["person"]) == ("ambiguous", None)
        names = {candidate["person"]["name"] for candidate in face["candidates"]}
        assert names == {"Ann Example", "Twin"}

    def test_identify_with_an_empty_gallery_is_unknown(
        self, api: Caller, collection: Collection
    ) -> None:
        face = good(send(api, "identify", photo(5)))["faces"][0]
        assert (face["decision"], face["similarity"], face["candidates"]) == ("unknown", None, [])

    def test_identify_is_limited_to_the_largest_faces(self, api: Caller, ann: Person) -> None:
        assert len(good(send(api, "identify", photo(5, 6, 7), max_faces=2))["faces"]) == 2

    @pytest.mark.parametrize("what", ["detect", "identify"])
    def test_region_limits_faces_to_a_part_of_the_picture(
        self, what: str, api: Caller, ann: Person
    ) -> None:
        everyone = sorted(good(send(api, what, photo(5, 6)))["faces"], key=lambda f: f["box"][0])
        assert len(everyone) == 2
        x, y, width, height = everyone[1]["box"]
        region = f"{x - 5:.1f},{y - 5:.1f},{width + 10},{height + 10}"
        (face,) = good(send(api, what, photo(5, 6), region=region))["faces"]
        assert face["box"] == pytest.approx(everyone[1]["box"], abs=1)
        for region in ("1,2,3", "1,2,3,x", "1,2,3,nan", "1;2;3;4"):
            answer = refusal(send(api, what, photo(5), region=region), 400, "validation_error")
            assert "region" in answer["details"]["fields"]
        refusal(send(api, what, photo(5), region="9000,0,10,10"), 422, "region_outside")
        refusal(send(api, what, photo(5), region="10,10,0,10"), 422, "region_outside")

    @pytest.mark.parametrize("what", ["detect", "identify"])
    def test_faces_are_limited_by_size_and_score(self, what: str, api: Caller, ann: Person) -> None:
        assert good(send(api, what, photo(5, size=60), min_face_px=100))["faces"] == []
        assert good(send(api, what, photo(5, size=120), max_face_px=100))["faces"] == []
        assert len(good(send(api, what, photo(5), max_face_px=500))["faces"]) == 1
        assert good(send(api, what, photo(5), score_threshold=0.995))["faces"] == []

    def test_identify_takes_a_threshold_of_the_call(self, api: Caller, ann: Person) -> None:
        answer = good(send(api, "identify", photo(5, looks=4), threshold=0.999))
        assert answer["threshold"] == answer["faces"][0]["threshold"] == 0.999
        assert answer["faces"][0]["decision"] == "unknown"

    def test_identify_without_a_face_is_empty(self, api: Caller, ann: Person) -> None:
        assert good(send(api, "identify", photo()))["faces"] == []

    def test_identify_needs_a_clear_collection(self, api: Caller, ann: Person) -> None:
        make_collection()
        refusal(send(api, "identify", photo(5)), 400, "collection_required")
        good(send(api, "identify", photo(5), collection=ann.collection_id))

    def test_identify_without_any_collection_is_refused(self, api: Caller) -> None:
        error = refusal(send(api, "identify", photo(5)), 400, "collection_required")
        assert error["details"] == {"collections": 0}

    def test_identify_in_an_unknown_collection_is_refused(self, api: Caller) -> None:
        refusal(send(api, "identify", photo(5), collection=uuid.uuid4()), 404, "not_found")
        refusal(send(api, "identify", photo(5), collection="main"), 400, "validation_error")

    def test_an_inactive_person_is_not_named(self, api: Caller, ann: Person) -> None:
        good(api.patch(f"/api/v1/persons/{ann.pk}", {"is_active": False}))
        assert good(send(api, "identify", photo(5, looks=4)))["faces"][0]["person"] is None
        good(api.patch(f"/api/v1/persons/{ann.pk}", {"is_active": True, "name": "Ann B."}))
        face = good(send(api, "identify", photo(5, looks=4)))["faces"][0]
        assert face["person"]["name"] == "Ann B."

    def test_identify_writes_no_event(self, api: Caller, ann: Person) -> None:
        good(send(api, "identify", photo(5)))
        assert not Event.objects.exists()


class TestVerify:
    def test_verify_of_one_person_is_a_match(self, api: Caller) -> None:
        answer = good(compare(api, photo(5), photo(5, looks=1)))
        assert answer["decision"] == "match"
        assert answer["similarity"] >= answer["threshold"]
        assert answer["false_match_rate"] <= 0.001
        assert answer["face"]["box"]
        assert answer["other_face"]["box"]
        assert answer["image"] is None

    def test_verify_of_two_people_is_unknown(self, api: Caller) -> None:
        answer = good(compare(api, photo(5), photo(6)))
        assert answer["decision"] == "unknown"
        assert answer["similarity"] < answer["threshold"]

    def test_verify_takes_another_model_and_threshold(self, api: Caller) -> None:
        options = {"embedder": "dlib_resnet", "threshold": 0.123}
        answer = good(compare(api, photo(5), photo(5, looks=1), **options))
        assert (answer["model"], answer["threshold"]) == (preset("dlib_resnet").version, 0.123)

    def test_verify_against_a_person_names_the_best_image(self, api: Caller, ann: Person) -> None:
        answer = good(send(api, "verify", photo(5, looks=4), person=ann.pk))
        assert answer["decision"] == "match"
        assert answer["other_face"] is None
        assert answer["image"] in {str(image.pk) for image in ann.images.all()}
        assert good(send(api, "verify", photo(6), person=ann.pk))["decision"] == "unknown"

    @pytest.mark.parametrize(
        ("first", "second", "code", "which"),
        [
            (photo(), photo(5), "no_face", "first"),
            (photo(5), photo(), "no_face", "second"),
            (photo(5, 6), photo(5), "several_faces", "first"),
            (photo(5), photo(5, 6), "several_faces", "second"),
        ],
    )
    def test_verify_needs_one_face_in_each_picture(
        self, api: Caller, first: bytes, second: bytes, code: str, which: str
    ) -> None:
        assert which in refusal(compare(api, first, second), 422, code)["message"]

    def test_verify_needs_a_person_or_a_second_picture(self, api: Caller, ann: Person) -> None:
        refusal(send(api, "verify", photo(5)), 400, "validation_error")
        refusal(compare(api, photo(5), photo(5), person=ann.pk), 400, "validation_error")

    def test_verify_against_a_person_refuses_another_model(self, api: Caller, ann: Person) -> None:
        options = {"person": ann.pk, "embedder": "dlib_resnet"}
        refusal(send(api, "verify", photo(5), **options), 400, "validation_error")

    def test_verify_with_an_unknown_model_is_refused(self, api: Caller) -> None:
        answer = compare(api, photo(5), photo(5), embedder="resnet")
        assert "embedder" in refusal(answer, 400, "validation_error")["details"]["fields"]

    def test_verify_against_an_unfit_person_is_refused(self, api: Caller, ann: Person) -> None:
        refusal(send(api, "verify", photo(5), person=uuid.uuid4()), 404, "not_found")
        empty = make_person(ann.collection)
        refusal(send(api, "verify", photo(5), person=empty.pk), 409, "person_without_images")
        good(api.patch(f"/api/v1/persons/{ann.pk}", {"is_active": False}))
        refusal(send(api, "verify", photo(5), person=ann.pk), 409, "person_inactive")


class TestEmbed:
    def test_embed_answers_with_a_vector_for_every_face(self, api: Caller) -> None:
        answer = good(send(api, "embed", photo(5, 6)))
        assert answer["model"] == preset("mobilefacenet").version
        assert [len(face["embedding"]) for face in answer["faces"]] == [answer["dimension"]] * 2
        assert sum(v * v for v in answer["faces"][0]["embedding"]) == pytest.approx(1, abs=1e-5)

    def test_embed_without_a_face_has_no_dimension(self, api: Caller) -> None:
        answer = good(send(api, "embed", photo()))
        assert (answer["faces"], answer["dimension"]) == ([], None)


@pytest.mark.parametrize("operation", ["detect", "identify", "embed", "verify"])
class TestBusy:
    def test_full_queue_is_answered_engine_busy(
        self, api: Caller, engine: FakeEngine, ann: Person, operation: str
    ) -> None:
        engine.is_busy = True
        options = {"person": ann.pk} if operation == "verify" else {}
        refusal(send(api, operation, photo(5), **options), 503, "engine_busy")

    def test_engine_that_warms_up_is_answered_503(
        self, api: Caller, ann: Person, operation: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from recognition.engine.host import EngineHost
        from recognition.web.process import process

        host = process().part(EngineHost)
        monkeypatch.setattr(host, "_engine", None)
        monkeypatch.setattr(host, "_state", "warming_up")
        options = {"person": ann.pk} if operation == "verify" else {}
        answer = send(api, operation, photo(5), **options)
        refusal(answer, 503, "engine_warming_up")
        assert answer["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("operation", "scope"),
    [
        ("detect", Scope.DETECT),
        ("verify", Scope.VERIFY),
        ("identify", Scope.IDENTIFY),
        ("embed", Scope.IDENTIFY),
    ],
)
def test_every_operation_needs_its_scope(
    operation: str, scope: Scope, ann: Person, engine: FakeEngine
) -> None:
    options = {"person": ann.pk} if operation == "verify" else {}
    good(send(with_key(scope), operation, photo(5), **options))
    calls = engine.calls
    others = [other for other in Scope if other != scope]
    refusal(send(with_key(*others), operation, photo(5), **options), 403, "permission_denied")
    refusal(send(Caller(), operation, photo(5), **options), 401, "not_authenticated")
    assert engine.calls == calls
