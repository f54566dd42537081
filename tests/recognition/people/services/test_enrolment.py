"""Enrolment: an outcome for each picture, and nothing is left of refused pictures."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from accounts.audit import Actor
from accounts.models import AuditEntry
from ml_engine import EngineBusy, Face
from ml_engine.images import decode_image
from recognition.people.index import Gallery, gallery_of
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, FaceImage, GalleryChange, Person, Template
from recognition.people.services import enrolment
from recognition.people.services.enrolment import (
    ImageOutcome,
    image_delete,
    image_move,
    images_enrol,
)
from recognition.people.services.persons import person_erase
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, photo, portrait
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db


def _enrol(person: Person, *pictures: bytes) -> list[ImageOutcome]:
    uploads = [Upload(f"{number}.jpg", data) for number, data in enumerate(pictures)]
    return images_enrol(person=person, uploads=uploads, source="api", actor=ACTOR)


def _png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_good_picture_becomes_image_template_and_file(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    (outcome,) = _enrol(person, photo(3))
    assert (outcome.accepted, outcome.code, outcome.faces_found) == (True, "accepted", 1)
    image = FaceImage.objects.get()
    assert image == outcome.image
    assert (image.person, image.source, image.added_by) == (person, "api", "user:tester")
    assert image.quality_parts["reasons"] == []
    template = Template.objects.get()
    assert (template.image, template.collection) == (image, collection)
    assert np.linalg.norm(template.embedding) == pytest.approx(1, abs=1e-5)
    assert_consistent(collection, gallery_of(collection))


def test_the_stored_face_is_cut_out_with_room_around_it(engine: FakeEngine, person: Person) -> None:
    wide = np.zeros((600, 2000, 3), np.uint8)
    wide[100:360, 500:760] = portrait(3)
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG")
    (outcome,) = _enrol(person, buffer.getvalue())
    assert outcome.image is not None
    with outcome.image.file.open("rb") as file:
        cut = decode_image(file.read())
    side = outcome.image.box[2]
    assert 2 * side < cut.shape[0] < 2.5 * side
    assert 2 * side < cut.shape[1] < 2.5 * side
    assert len(engine.find([cut])[0]) == 1


def test_a_large_face_is_stored_no_larger_than_needed(engine: FakeEngine, person: Person) -> None:
    (image,) = _enrol(person, photo(3, size=900))
    assert image.image is not None
    with image.image.file.open("rb") as file:
        assert max(decode_image(file.read()).shape) == 640


def test_whole_picture_is_stored_only_if_the_collection_says_so(engine: FakeEngine) -> None:
    without = make_person(make_collection())
    assert not enrol(without, 1)[0].original
    keeps = make_person(make_collection(keeps_originals=True))
    (image,) = enrol(keeps, 1)
    with image.original.open("rb") as file:
        assert decode_image(file.read()).shape == portrait(1).shape
    assert_consistent(keeps.collection)


def _broken() -> bytes:
    return photo(3)[:-2000]


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (photo(), "no_face"),
        (photo(1, 2), "several_faces"),
        (photo(1, size=25), "low_quality"),
        (b"", "empty_image"),
        (b"this is text, named .jpg", "unsupported_image"),
        (_broken(), "broken_image"),
        (_png(30_000, 30_000), "too_many_pixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refused_picture_has_a_reason_and_leaves_nothing(
    engine: FakeEngine, person: Person, picture: bytes, code: str
) -> None:
    (outcome,) = _enrol(person, picture)
    assert (outcome.accepted, outcome.code, outcome.image) == (False, code, None)
    assert outcome.message.endswith(".")
    assert not stored_files()
    assert not FaceImage.objects.exists()
    assert not Template.objects.exists()
    assert not GalleryChange.objects.exists()


def test_low_quality_says_what_is_wrong_in_words(engine: FakeEngine, person: Person) -> None:
    (outcome,) = _enrol(person, photo(1, size=25))
    assert "the face is too small" in outcome.message
    assert outcome.quality is not None
    assert outcome.quality.reasons == ("too_small",)


def test_quality_is_not_checked_if_the_collection_does_not(engine: FakeEngine) -> None:
    person = make_person(make_collection(quality_policy=Collection.QualityPolicy.OFF))
    assert _enrol(person, photo(1, size=25))[0].accepted


def test_a_picture_larger_than_the_site_takes_is_refused(
    engine: FakeEngine, person: Person, settings: Any
) -> None:
    settings.MAX_IMAGE_MB = 0
    assert _enrol(person, photo(1))[0].code == "image_too_large"
    settings.MAX_IMAGE_MB, settings.MAX_IMAGE_MEGAPIXELS = 20, 0
    assert _enrol(person, photo(1))[0].code == "too_many_pixels"


def test_small_face_in_the_background_is_no_second_face(engine: FakeEngine, person: Person) -> None:
    picture = portrait(1, size=200)
    picture[5:45, 5:45] = (80, 80, 208)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    (outcome,) = _enrol(person, buffer.getvalue())
    assert (outcome.code, outcome.faces_found) == ("accepted", 2)


def test_uncertain_face_has_another_code_than_no_face(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze = engine.analyze

    def unsure(*args: Any, **options: Any) -> Any:
        return [[_unsure(face) for face in faces] for faces in analyze(*args, **options)]

    monkeypatch.setattr(engine, "analyze", unsure)
    (outcome,) = _enrol(person, photo(1))
    assert (outcome.code, outcome.faces_found) == ("low_quality", 1)
    assert "not certain" in outcome.message


def _unsure(face: Face) -> Face:
    assert face.quality is not None
    return replace(face, score=0.75, quality=replace(face.quality, detection=0.75))


def test_each_picture_of_a_request_has_its_own_outcome(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    outcomes = _enrol(person, photo(1), photo(), b"text", photo(1), photo(1, looks=1))
    codes = [outcome.code for outcome in outcomes]
    assert codes == ["accepted", "no_face", "unsupported_image", "duplicate_image", "accepted"]
    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert person.images.count() == 2
    assert_consistent(collection, gallery_of(collection))


def test_the_same_picture_is_not_stored_twice(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    calls = engine.calls
    (outcome,) = _enrol(person, photo(1))
    assert outcome.code == "duplicate_image"
    assert engine.calls == calls, "known by its bytes, before the engine's work"


def test_face_of_another_person_is_refused_without_a_name(
    engine: FakeEngine, collection: Collection, person: Person
) -> None:
    other = make_person(collection, name="Bea Other")
    enrol(other, 5)
    (outcome,) = _enrol(person, photo(5, looks=2))
    assert outcome.code == "looks_like_another_person"
    assert outcome.similar_to == other.pk
    # The message may be stored with an answer, and stay after the other person is erased.
    assert other.name not in outcome.message
    assert str(other.pk) not in outcome.message
    assert_consistent(collection, gallery_of(collection))


def test_one_of_two_who_look_alike_can_still_be_enrolled_again(
    engine: FakeEngine, collection: Collection, person: Person
) -> None:
    """Twins: a photo only has to be more similar to its person than to the other one."""
    enrol(person, 1)
    enrol(make_person(collection), 2)
    # Everybody reaches it, so only the higher similarity decides.
    Collection.objects.filter(pk=collection.pk).update(match_threshold=-1.0)
    assert _enrol(person, photo(1, looks=3))[0].accepted


def test_people_of_another_collection_do_not_matter(engine: FakeEngine, person: Person) -> None:
    enrol(make_person(make_collection()), 5)
    assert _enrol(person, photo(5))[0].accepted


def test_embeddings_are_averaged_with_their_mirror_image(
    engine: FakeEngine, person: Person
) -> None:
    _enrol(person, photo(1))
    assert engine.flips == [True]
    assert {ask.priority for ask in engine.asks} == {"interactive"}
    engine.asks.clear()
    _enrol(person, *(photo(2, looks=looks) for looks in range(11)))
    assert {ask.priority for ask in engine.asks} == {"bulk"}


def test_a_busy_engine_stores_nothing(engine: FakeEngine, person: Person) -> None:
    engine.is_busy = True
    with pytest.raises(EngineBusy):
        _enrol(person, photo(1))
    assert not stored_files()


def test_person_erased_while_the_engine_works_stores_nothing(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze = engine.analyze

    def slow(*args: Any, **options: Any) -> Any:
        Person.objects.get(pk=person.pk).delete()
        return analyze(*args, **options)

    monkeypatch.setattr(engine, "analyze", slow)
    with pytest.raises(ServiceError) as refused:
        _enrol(person, photo(1))
    assert refused.value.code == "not_found"
    assert not stored_files()
    assert not FaceImage.objects.exists()


def test_face_is_embedded_again_if_the_embedder_changed_meanwhile(
    engine: FakeEngine, person: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze, dlib = engine.analyze, ensure_model_version("dlib_resnet")

    def slow(*args: Any, **options: Any) -> Any:
        Collection.objects.filter(pk=collection.pk).update(embedder=dlib)
        return analyze(*args, **options)

    monkeypatch.setattr(engine, "analyze", slow)
    _enrol(person, photo(1))
    assert Template.objects.get().model == dlib


def test_files_are_removed_if_the_transaction_fails(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def fail(*args: object) -> None:
        seen.append(stored_files())
        raise RuntimeError("the database is out of room")

    monkeypatch.setattr(enrolment, "note_changes", fail)
    with pytest.raises(RuntimeError):
        _enrol(person, photo(1))
    assert len(seen[0]) == 1, "the file is written before its row"
    assert not stored_files()
    assert not FaceImage.objects.exists()


def test_a_picture_that_another_request_stored_meanwhile_is_a_duplicate(
    engine: FakeEngine, person: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = enrolment._look

    def look_late(*args: Any) -> Any:
        found = look(*args)
        monkeypatch.setattr(enrolment, "_look", look)
        _enrol(person, photo(1))
        return found

    monkeypatch.setattr(enrolment, "_look", look_late)
    (outcome,) = _enrol(person, photo(1))
    assert outcome.code == "duplicate_image"
    assert person.images.count() == 1
    assert_consistent(collection, gallery_of(collection))


def test_an_image_is_deleted_with_file_template_and_index_row(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    first, second = enrol(person, 1, 1)
    elsewhere = Gallery(collection)
    assert elsewhere.size == (1, 2)
    image_delete(image=first, actor=ACTOR)
    image_delete(image=first, actor=ACTOR)
    assert list(person.images.all()) == [second]
    assert_consistent(collection, gallery_of(collection), elsewhere)


def test_image_whose_person_was_erased_meanwhile_is_not_found(
    engine: FakeEngine, person: Person
) -> None:
    (image,) = enrol(person, 1)
    read = FaceImage.objects.get(pk=image.pk)
    person_erase(person=person, actor=ACTOR)
    for change in (
        lambda: image_delete(image=read, actor=ACTOR),
        lambda: image_move(image=read, person=None, name="Ann", actor=ACTOR),
    ):
        with pytest.raises(ServiceError) as refused:
            change()
        assert refused.value.code == "not_found"


def test_the_audit_log_tells_what_was_enrolled_and_refused(
    engine: FakeEngine, collection: Collection
) -> None:
    person = make_person(collection, name="Zoltan Unusual")
    actor = Actor("key:frk_1234", request_id="r1", address="127.0.0.1")
    uploads = [Upload("zoltan.jpg", photo(1)), Upload("zoltan2.jpg", photo())]
    outcomes = images_enrol(person=person, uploads=uploads, source="api", actor=actor)
    enrolled = AuditEntry.objects.get(action="image.enrol")
    assert outcomes[0].image is not None
    assert enrolled.details == {"images": [str(outcomes[0].image.pk)]}
    assert (enrolled.actor, enrolled.target_id) == ("key:frk_1234", str(person.pk))
    assert (enrolled.request_id, enrolled.address) == ("r1", "127.0.0.1")
    assert AuditEntry.objects.get(action="image.refuse").details == {"codes": {"no_face": 1}}
    written = str(list(AuditEntry.objects.values()))
    assert "oltan" not in written
