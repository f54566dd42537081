"""Twins: two people with similar photos. Both can be enrolled after this is recorded."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AuditEntry
from recognition.people.models import Lookalike, Person
from recognition.people.services.enrolment import images_enrol
from recognition.people.services.lookalikes import lookalike_add, lookalike_remove
from recognition.people.services.persons import person_erase, person_merge
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.admin_pages import address, page, told

pytestmark = pytest.mark.django_db

ANN, EVE = 11, 12


@pytest.fixture
def twins(engine: FakeEngine, person: Person) -> tuple[Person, Person]:
    """The face of the second one is nearly that of the first, who is enrolled."""
    engine.lookalikes = {EVE: ANN}
    enrol(person, ANN)
    return person, make_person(person.collection, name="Eve")


def _enrolled(person: Person, number: int, looks: int) -> str:
    uploads = [Upload("p.jpg", photo(number, looks=looks))]
    return images_enrol(person=person, uploads=uploads, source="api", actor=ACTOR)[0].code


def test_enrolment_takes_both_once_they_are_two(twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    assert _enrolled(eve, EVE, 2) == "looks_like_another_person"
    lookalike_add(person=eve, other=ann, actor=ACTOR)
    assert _enrolled(eve, EVE, 2) == "accepted"
    assert _enrolled(ann, ANN, 5) == "accepted"
    assert _enrolled(eve, EVE, 6) == "accepted"
    entry = AuditEntry.objects.get(action="person.lookalike_add")
    assert (entry.target_id, entry.details) == (str(eve.pk), {"other": str(ann.pk)})


def test_somebody_else_is_still_refused(twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    third = make_person(ann.collection)
    lookalike_add(person=eve, other=third, actor=ACTOR)
    assert _enrolled(eve, EVE, 2) == "looks_like_another_person"


def test_identify_says_ambiguous_between_them(api: Caller, twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    lookalike_add(person=ann, other=eve, actor=ACTOR)
    assert _enrolled(eve, EVE, 0) == "accepted"
    answer = good(api.send("/api/v1/identify", photo(ANN, looks=9), "image/jpeg"))
    assert answer["faces"][0]["decision"] == "ambiguous"


def test_pair_is_one_row_whoever_comes_first(twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    for first, second in (twins, (eve, ann), twins):
        lookalike_add(person=first, other=second, actor=ACTOR)
    assert Lookalike.objects.count() == 1
    assert AuditEntry.objects.filter(action="person.lookalike_add").count() == 1
    lookalike_remove(person=ann, other=eve, actor=ACTOR)
    assert not Lookalike.objects.exists()
    with pytest.raises(ServiceError):
        lookalike_remove(person=ann, other=eve, actor=ACTOR)


def test_nobody_looks_like_themselves_or_like_another_collection(person: Person) -> None:
    for other, code in (
        (person, "same_person"),
        (make_person(make_collection()), "different_collections"),
    ):
        with pytest.raises(ServiceError) as refused:
            lookalike_add(person=person, other=other, actor=ACTOR)
        assert refused.value.code == code


def test_two_who_are_two_are_not_merged(twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    lookalike_add(person=ann, other=eve, actor=ACTOR)
    with pytest.raises(ServiceError) as refused:
        person_merge(into=ann, person=eve, actor=ACTOR)
    assert refused.value.code == "two_people"
    assert Person.objects.count() == 2


def test_merge_moves_a_pair_to_who_remains(twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    double = make_person(ann.collection)
    for person in (double, ann):
        lookalike_add(person=person, other=eve, actor=ACTOR)
    third = make_person(ann.collection)
    lookalike_add(person=double, other=third, actor=ACTOR)
    person_merge(into=ann, person=double, actor=ACTOR)
    pairs = {frozenset(pair) for pair in Lookalike.objects.values_list("first", "second")}
    assert pairs == {frozenset({ann.pk, eve.pk}), frozenset({ann.pk, third.pk})}


def test_erasure_forgets_a_pair(twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    lookalike_add(person=ann, other=eve, actor=ACTOR)
    assert person_erase(person=eve, actor=ACTOR)["lookalikes"] == 1
    assert not Lookalike.objects.exists()


def test_rest_adds_lists_and_removes(api: Caller, twins: tuple[Person, Person]) -> None:
    ann, eve = twins
    pairs = f"/api/v1/persons/{eve.pk}/lookalikes"
    answer = api.send(f"/api/v1/persons/{eve.pk}/images", photo(EVE, looks=2), "image/jpeg")
    assert "look-alikes" in refusal(answer, 422, "looks_like_another_person")["message"]
    assert good(api.post(pairs, {"person": str(ann.pk)}), 201)["id"] == str(ann.pk)
    answer = api.send(f"/api/v1/persons/{eve.pk}/images", photo(EVE, looks=2), "image/jpeg")
    good(answer, 201)
    assert [row["id"] for row in good(api.get(pairs))["results"]] == [str(ann.pk)]
    good(api.delete(f"/api/v1/persons/{ann.pk}/lookalikes/{eve.pk}"), 204)
    assert good(api.get(pairs))["results"] == []
    refusal(api.delete(f"{pairs}/{ann.pk}"), 404, "not_found")


def test_admin_offers_it_where_a_photo_is_refused(
    operator: Client, viewer: Client, twins: tuple[Person, Person]
) -> None:
    ann, eve = twins
    file = {"photos": _upload(photo(EVE, looks=2))}
    text = page(operator.post(address("people_person_photos", eve.pk), file))
    pair = address("people_person_lookalike", eve.pk, ann.pk)
    assert pair in text
    assert viewer.post(pair, {"do": "add"}).status_code == 403
    assert "two people" in told(operator.post(pair, {"do": "add"}))[-1]
    assert "Different people who look alike" in page(
        operator.get(address("people_person_change", ann.pk))
    )
    operator.post(pair, {"do": "remove"})
    assert not Lookalike.objects.exists()


def _upload(data: bytes) -> object:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("p.jpg", data)
