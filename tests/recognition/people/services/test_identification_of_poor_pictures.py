"""Identify and verify in poor pictures, in which the threshold rises."""

from __future__ import annotations

from typing import Any

import pytest

from recognition.people.models import Collection, Person
from recognition.people.services.identification import identify, verify, verify_person
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.poor_pictures import all_lean, forget_the_direction, know_the_direction

pytestmark = pytest.mark.django_db


def _identify(collection: Collection, picture: bytes, **options: Any) -> Any:
    return identify(collection=collection, data=picture, actor=ACTOR, **options)


def _verify(a: bytes, b: bytes) -> Any:
    return verify(data_a=a, data_b=b, actor=ACTOR)


def test_a_stranger_in_a_poor_picture_is_not_taken_for_who_was_enrolled_from_one(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_lean(engine, monkeypatch)
    enrol(person, 1)
    forget_the_direction()
    person.collection.refresh_from_db()
    (without,) = _identify(person.collection, photo(9)).faces
    assert without.decision == "match", "so alike are poor pictures"
    know_the_direction()
    person.collection.refresh_from_db()
    result = _identify(person.collection, photo(9))
    (stranger,) = result.faces
    assert stranger.decision == "unknown"
    assert stranger.threshold > result.threshold + 0.3
    assert stranger.fmr > 0.1 > without.fmr
    (known,) = _identify(person.collection, photo(1, looks=3)).faces
    assert (known.decision, known.person_id) == ("match", person.pk)
    assert known.threshold == pytest.approx(stranger.threshold, abs=0.1)


def test_a_poor_picture_of_somebody_who_was_enrolled_from_a_clear_one_raises_nothing(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(person, 1)
    know_the_direction()
    person.collection.refresh_from_db()
    all_lean(engine, monkeypatch)
    result = _identify(person.collection, photo(1, looks=3))
    assert result.faces[0].decision == "match"
    assert result.faces[0].threshold == pytest.approx(result.threshold, abs=0.05)


def test_a_threshold_by_hand_is_the_same_in_every_kind_of_picture(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_lean(engine, monkeypatch)
    enrol(person, 1)
    know_the_direction()
    person.collection.refresh_from_db()
    (asked,) = _identify(person.collection, photo(9), threshold=0.3).faces
    assert (asked.decision, asked.threshold) == ("match", 0.3)
    person.collection.match_threshold = 0.3
    (fixed,) = _identify(person.collection, photo(9)).faces
    assert (fixed.decision, fixed.threshold) == ("match", 0.3)


def test_two_poor_pictures_are_verified_by_a_higher_threshold(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = _verify(photo(1), photo(1, looks=3))
    all_lean(engine, monkeypatch)
    enrol(person, 1)
    know_the_direction()
    assert _verify(photo(1), photo(1, looks=3)).decision == "match"
    other = _verify(photo(1), photo(9))
    assert other.similarity < other.threshold
    assert other.threshold > clear.threshold + 0.2
    assert verify_person(person=person, data=photo(9), actor=ACTOR).threshold > 0.7
    assert verify_person(person=person, data=photo(1), actor=ACTOR).decision == "match"


def test_somebody_new_can_be_enrolled_from_poor_pictures(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not mistaken for people who were enrolled from poor pictures."""
    all_lean(engine, monkeypatch)
    enrol(person, 1)
    know_the_direction()
    assert enrol(make_person(person.collection), 9)
