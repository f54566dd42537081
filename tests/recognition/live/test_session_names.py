"""Which faces of a live frame are named: each person once, and none below its own threshold."""

from __future__ import annotations

from typing import Any

import pytest

from recognition.events.models import Event
from recognition.people.models import Collection, Person
from tests.factories import enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.poor_pictures import all_lean, know_the_direction
from tests.recognition.live.streams import DrivenStream

pytestmark = pytest.mark.django_db(transaction=True)

ANN, BOB, STRANGER = 11, 22, 33


@pytest.fixture
def ann(engine: FakeEngine, collection: Collection) -> Person:
    person = make_person(collection, name="Ann")
    enrol(person, ANN)
    return person


def _face(answer: dict[str, Any]) -> dict[str, Any]:
    assert len(answer["faces"]) == 1
    return answer["faces"][0]


def test_of_two_faces_of_one_person_in_a_frame_only_one_is_named(
    ann: Person, collection: Collection
) -> None:
    with DrivenStream(collection) as stream:
        first, second = stream.show(photo(ANN, ANN, looks=1), frames=20)["faces"]
        assert [first["decision"], second["decision"]] == ["match", "ambiguous"]
        assert second["person"] is None
        # The other face has gone, so this one can have the name.
        (left,) = stream.show(photo(ANN, looks=1), frames=20)["faces"]
        assert left["decision"] == "match"
    events = Event.objects.order_by("started_at", "decision")
    assert {(event.decision, event.person) for event in events} == {
        ("ambiguous", None),
        ("match", ann),
    }


def test_a_stranger_in_a_poor_frame_is_not_named_and_the_threshold_told_is_theirs(
    collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_lean(engine, monkeypatch)
    enrol(make_person(collection, name="Ann"), ANN)
    know_the_direction()
    collection.refresh_from_db()
    with DrivenStream(collection) as stream:
        stranger = _face(stream.show(photo(STRANGER, looks=1), frames=8))
    with DrivenStream(collection) as stream:
        known = _face(stream.show(photo(ANN, looks=1), frames=8))
    assert (stranger["decision"], known["decision"]) == ("unknown", "match")
    assert known["similarity"] > known["threshold"] > 0.7
    assert stranger["threshold"] > 0.7 > stranger["similarity"]
    event = Event.objects.get(decision="match")
    assert event.threshold == pytest.approx(known["threshold"], abs=0.01)
