"""A name that somebody rejects is taken back while the stream runs."""

from __future__ import annotations

from typing import Any

import pytest

from recognition.events.models import Event
from recognition.events.services.events import event_review
from recognition.people.models import Person
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.live.streams import DrivenStream, until

pytestmark = pytest.mark.django_db(transaction=True)

ANN, DOUBLE, BOB = 11, 22, 33


@pytest.fixture
def ann(engine: FakeEngine, person: Person) -> Person:
    """Somebody else has nearly the same face."""
    engine.lookalikes[DOUBLE] = ANN
    enrol(person, ANN)
    enrol(make_person(person.collection), BOB)
    return person


def _decision(answer: dict[str, Any]) -> str:
    return answer["faces"][0]["decision"]


def test_a_rejected_name_is_not_given_to_that_face_again(ann: Person) -> None:
    double = photo(DOUBLE, looks=4)
    with DrivenStream(ann.collection) as stream:
        assert _decision(stream.show(double)) == "match"
        stream.wait_for(lambda message: message["type"] == "event")
        event_review(event=Event.objects.get(), review=Event.Review.REJECTED, actor=ACTOR)
        # In the stream that named it...
        until(lambda: _decision(stream.answer_to(double)) == "unknown")
    # ... and in the next one, where Ann is still Ann.
    with DrivenStream(ann.collection) as stream:
        assert _decision(stream.show(double, frames=8)) == "unknown"
    with DrivenStream(ann.collection) as stream:
        assert _decision(stream.show(photo(ANN), frames=8)) == "match"
    event = Event.objects.get(review=Event.Review.REJECTED)
    event_review(event=event, review=Event.Review.NONE, actor=ACTOR)
    with DrivenStream(ann.collection) as stream:
        assert _decision(stream.show(double, frames=8)) == "match"
