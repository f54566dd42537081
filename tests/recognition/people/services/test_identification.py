"""Identify and verify: a decision for every face, from the rules of the collection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accounts.models import AuditEntry
from ml_engine import EngineBusy, ImageError
from ml_engine.matching import Candidate
from ml_engine.matching.calibration import VERIFY_FMR
from ml_engine.request import Wanted
from ml_engine.zoo import preset
from recognition.people.index import gallery_of
from recognition.people.models import Collection, Person
from recognition.people.rules import Rules, rules_of
from recognition.people.services.identification import (
    decide_candidates,
    default_embedder,
    detect,
    embed,
    identify,
    verify,
    verify_person,
)
from recognition.people.services.persons import person_erase, person_update
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, embedding_of, photo

pytestmark = pytest.mark.django_db


def _identify(collection: Collection, picture: bytes, **options: Any) -> Any:
    return identify(collection=collection, data=picture, actor=ACTOR, **options)


def test_every_face_of_a_picture_is_named(engine: FakeEngine, collection: Collection) -> None:
    ann = make_person(collection, name="Ann", external_id="a1")
    bea = make_person(collection, name="Bea")
    enrol(ann, 1)
    (image,) = enrol(bea, 2)
    result = _identify(collection, photo(2, 9, 1, looks=3))
    by_place = sorted(result.faces, key=lambda found: found.face.box[0])
    assert [found.decision for found in by_place] == ["match", "unknown", "match"]
    assert [found.person_name for found in by_place] == ["Bea", None, "Ann"]
    assert by_place[0].person_id == bea.pk
    assert by_place[0].image_id == image.pk
    assert by_place[2].external_id == "a1"
    assert by_place[0].similarity > result.threshold > by_place[1].similarity
    assert by_place[0].fmr < 1e-6 < by_place[1].fmr
    assert result.model == preset("mobilefacenet").version
    assert {"decode", "detect", "embed", "search", "total"} <= set(result.timing_ms)


def test_of_two_faces_of_one_person_in_a_picture_only_the_better_one_matches(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(person, 1)
    looks = iter([embedding_of(1, looks=5), embedding_of(1)])
    monkeypatch.setattr(engine, "_vector", lambda *_: next(looks))
    worse, better = _identify(person.collection, photo(1, 1)).faces
    assert (worse.decision, worse.person_id, worse.image_id) == ("ambiguous", None, None)
    assert worse.similarity > worse.threshold
    assert [candidate.person_id for candidate in worse.candidates] == [person.pk]
    assert (better.decision, better.person_id) == ("match", person.pk)
    matches = AuditEntry.objects.filter(action="face.identify").get().details["matches"]
    assert matches == 1


def test_the_mean_is_compared_once_with_each_person_and_rises_with_their_images(
    engine: FakeEngine,
) -> None:
    collection = make_collection(decider="mean")
    person = make_person(collection)
    enrol(person, 1, 1, 1, 1)
    gallery = gallery_of(collection)
    curve = rules_of(collection, gallery).curve
    assert curve is not None
    assert rules_of(collection, gallery).threshold == curve.threshold_for_gallery(1)
    rising = replace(curve, mean_rises=((2, 0.01), (4, 0.03)))
    (found,) = gallery.search(embedding_of(1), curve=rising)
    assert found[0].rise == pytest.approx(0.03, abs=0.01)
    (by_similarity,) = gallery.search(embedding_of(1), curve=rising, by_similarity=True)
    assert by_similarity[0].rise < 0.01


def test_unknown_face_has_the_nearest_candidate_and_no_name(
    engine: FakeEngine, person: Person
) -> None:
    (image,) = enrol(person, 1)
    (found,) = _identify(person.collection, photo(9)).faces
    assert (found.decision, found.person_id, found.image_id) == ("unknown", None, None)
    (candidate,) = found.candidates
    assert (candidate.person_id, candidate.image_id) == (person.pk, image.pk)
    assert candidate.similarity == found.similarity


def test_every_face_is_unknown_in_an_empty_gallery(
    engine: FakeEngine, collection: Collection
) -> None:
    (found,) = _identify(collection, photo(9)).faces
    assert (found.decision, found.similarity, found.fmr, found.candidates) == (
        "unknown",
        None,
        None,
        (),
    )


def test_a_picture_without_faces_has_no_answers(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    assert _identify(person.collection, photo()).faces == []


def test_a_persons_best_image_counts_and_each_person_once(
    engine: FakeEngine, person: Person
) -> None:
    images = enrol(person, 1, 1, 1)
    other = make_person(person.collection)
    enrol(other, 2)
    (found,) = _identify(person.collection, photo(1, looks=2)).faces
    assert found.image_id == images[2].pk
    assert found.similarity == pytest.approx(1, abs=1e-4)
    assert [candidate.person_id for candidate in found.candidates] == [person.pk, other.pk]


def test_two_people_too_close_are_ambiguous(engine: FakeEngine) -> None:
    collection = make_collection(match_threshold=0.5, match_margin=0.2)
    ann, bea = make_person(collection), make_person(collection)
    enrol(ann, 1)
    Collection.objects.filter(pk=collection.pk).update(match_threshold=2.0)
    engine.lookalikes = {2: 1}
    enrol(bea, 2, 2)
    collection.refresh_from_db()
    collection.match_threshold = 0.5
    for shown in (1, 5):
        (found,) = _identify(collection, photo(1), max_candidates=shown).faces
        assert (found.decision, found.person_id) == ("ambiguous", None)
        assert len(found.candidates) == min(shown, 2)


@pytest.mark.parametrize(
    ("choice", "enrolled", "recognised"),
    [("none", False, False), ("enrolled", True, False), ("both", True, True)],
)
def test_flip_averaging_costs_only_what_was_chosen(
    engine: FakeEngine, choice: str, enrolled: bool, recognised: bool
) -> None:
    person = make_person(make_collection(flip_averaging=choice))
    enrol(person, 1)
    assert engine.flips == [enrolled]
    _identify(person.collection, photo(1))
    verify_person(person=person, data=photo(1), actor=ACTOR)
    assert engine.flips[1:] == [recognised, recognised]


def test_every_engine_call_has_the_deadline_of_the_settings(
    engine: FakeEngine, person: Person, settings: Any
) -> None:
    settings.ENGINE_DEADLINE_S = 12.5
    enrol(person, 1)
    _identify(person.collection, photo(1))
    detect(data=photo(1), actor=ACTOR)
    embed(data=photo(1), actor=ACTOR, embedder="mobilefacenet")
    verify(data_a=photo(1), data_b=photo(1), actor=ACTOR)
    assert {ask.deadline_s for ask in engine.asks} == {12.5}


def test_a_threshold_of_the_call_replaces_the_collections(
    engine: FakeEngine, person: Person
) -> None:
    enrol(person, 1)
    strict = _identify(person.collection, photo(1, looks=4), threshold=0.99)
    assert strict.threshold == 0.99
    assert strict.faces[0].decision == "unknown"
    assert strict.faces[0].threshold == 0.99
    assert _identify(person.collection, photo(9), threshold=-1.0).faces[0].decision == "match"


def test_identify_is_limited_to_the_largest_faces_on_request(
    engine: FakeEngine, collection: Collection
) -> None:
    assert len(_identify(collection, photo(1, 2, 3), wanted=Wanted(max_faces=2)).faces) == 2


def test_erased_or_inactive_person_is_unknown(engine: FakeEngine, collection: Collection) -> None:
    ann, bea = make_person(collection), make_person(collection)
    enrol(ann, 1)
    enrol(bea, 2)
    person_erase(person=ann, actor=ACTOR)
    person_update(person=bea, actor=ACTOR, is_active=False)
    assert [face.decision for face in _identify(collection, photo(1, 2)).faces] == ["unknown"] * 2


def test_rest_and_live_decide_by_the_same_rule() -> None:
    rules = Rules(model="net@1", threshold=0.5, margin=0.1, source="fixed", curve=None)
    close = [Candidate("a", 1, 0.8), Candidate("b", 2, 0.75)]
    assert decide_candidates(rules, close).kind == "ambiguous"
    assert decide_candidates(rules, close[:1]).person == "a"
    assert {decide_candidates(rules, found).model for found in (close, [])} == {"net@1"}
    assert decide_candidates(rules.fixed_at(0.9), close[:1]).kind == "unknown"


def test_faces_are_detected_and_embedded(engine: FakeEngine) -> None:
    result = detect(data=photo(1, 2), actor=ACTOR)
    assert len(result.faces) == 2
    assert result.size == (450, 260)
    assert result.faces[0].embedding is None
    assert detect(data=photo(1), actor=ACTOR, wanted=Wanted(min_face_px=500)).faces == []
    (face,) = embed(data=photo(1), actor=ACTOR, embedder="dlib_resnet")
    assert face.embedding == pytest.approx(embedding_of(1, "dlib_resnet"), abs=1e-5)


def _verify(a: bytes, b: bytes, **options: Any) -> Any:
    return verify(data_a=a, data_b=b, actor=ACTOR, **options)


def test_verify_gives_similarity_threshold_and_false_match_rate(engine: FakeEngine) -> None:
    same = _verify(photo(1), photo(1, looks=3))
    assert (same.decision, same.model) == ("match", preset(default_embedder()).version)
    assert same.similarity == pytest.approx(0.9, abs=0.05)
    assert same.fmr < VERIFY_FMR
    assert same.face_b is not None
    other = _verify(photo(1), photo(2))
    assert other.decision == "unknown"
    assert other.threshold == same.threshold
    assert other.fmr > VERIFY_FMR
    assert _verify(photo(1), photo(2), threshold=-1).decision == "match"
    assert (
        _verify(photo(1), photo(2), embedder="dlib_resnet").model == preset("dlib_resnet").version
    )


@pytest.mark.parametrize(
    ("first", "second", "code", "which"),
    [
        (photo(), photo(1), "no_face", "first"),
        (photo(1), photo(1, 2), "several_faces", "second"),
    ],
)
def test_each_picture_must_show_one_person(
    engine: FakeEngine, first: bytes, second: bytes, code: str, which: str
) -> None:
    with pytest.raises(ServiceError, match=which) as refused:
        _verify(first, second)
    assert (refused.value.code, refused.value.status) == (code, 422)


def test_a_picture_is_compared_with_a_person(engine: FakeEngine, person: Person) -> None:
    images = enrol(person, 1, 1)
    result = verify_person(person=person, data=photo(1, looks=1), actor=ACTOR)
    assert (result.decision, result.image_id) == ("match", images[1].pk)
    assert result.face_b is None
    assert verify_person(person=person, data=photo(2), actor=ACTOR).decision == "unknown"


def test_every_engine_call_names_its_caller(engine: FakeEngine, person: Person) -> None:
    """Callers without a name share one turn in the queue."""
    enrol(person, 1)
    engine.asks.clear()
    detect(data=photo(1), actor=ACTOR)
    embed(data=photo(1), actor=ACTOR, embedder=default_embedder())
    _identify(person.collection, photo(1))
    verify(data_a=photo(1), data_b=photo(2), actor=ACTOR)
    verify_person(person=person, data=photo(1), actor=ACTOR)
    assert {ask.caller for ask in engine.asks} == {ACTOR.name}


def test_the_threshold_follows_the_images_and_not_the_people(
    engine: FakeEngine, person: Person
) -> None:
    """Because a stranger is compared with each of them."""
    enrol(person, 1, 1, 1, 1)
    rules = rules_of(person.collection, gallery_of(person.collection))
    assert rules.curve is not None
    assert rules.threshold == rules.curve.threshold_for_gallery(4)
    assert rules.threshold > rules.curve.threshold_for_gallery(1)


def test_a_large_gallery_does_not_make_verifying_stricter(
    engine: FakeEngine, person: Person
) -> None:
    enrol(person, 1)
    before = verify_person(person=person, data=photo(1), actor=ACTOR).threshold
    for number in range(2, 8):
        enrol(make_person(person.collection), number)
    assert rules_of(person.collection, gallery_of(person.collection)).threshold != before
    assert verify_person(person=person, data=photo(1), actor=ACTOR).threshold == before


def test_the_collections_own_rules_hold_for_verifying(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    Collection.objects.update(match_threshold=0.42)
    assert verify_person(person=person, data=photo(1), actor=ACTOR).threshold == 0.42
    Collection.objects.update(match_threshold=None, target_false_match_rate=1e-5)
    strict = verify_person(person=person, data=photo(1), actor=ACTOR)
    assert strict.threshold > _verify(photo(1), photo(1)).threshold


@pytest.mark.parametrize(
    ("changes", "code"), [({"is_active": False}, "person_inactive"), ({}, "person_without_images")]
)
def test_verify_against_a_person_who_is_not_ready_is_refused(
    engine: FakeEngine, person: Person, changes: dict[str, Any], code: str
) -> None:
    person = person_update(person=person, actor=ACTOR, **changes)
    with pytest.raises(ServiceError) as refused:
        verify_person(person=person, data=photo(1), actor=ACTOR)
    assert (refused.value.code, refused.value.status) == (code, 409)


def test_errors_of_picture_and_engine_are_raised_unchanged(
    engine: FakeEngine, collection: Collection
) -> None:
    with pytest.raises(ImageError):
        _identify(collection, b"text")
    engine.is_busy = True
    with pytest.raises(EngineBusy):
        _identify(collection, photo(1))
    assert not AuditEntry.objects.exists()


def test_searches_are_in_the_audit_log_without_names(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    AuditEntry.objects.all().delete()
    _identify(person.collection, photo(1, 9))
    verify_person(person=person, data=photo(1), actor=ACTOR)
    _verify(photo(1), photo(2))
    identified, compared, pair = AuditEntry.objects.order_by("id")
    assert (identified.action, identified.details) == ("face.identify", {"faces": 2, "matches": 1})
    assert identified.collection_id == person.collection_id
    assert (compared.action, compared.target_id) == ("face.verify", str(person.pk))
    assert pair.details == {"model": preset("mobilefacenet").version, "decision": "unknown"}
    assert person.name not in str(list(AuditEntry.objects.values()))
