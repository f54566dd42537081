"""A session from frames to events, with a fake engine and everything else real."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from facerec_site.request_id import current_request_id
from ml_engine.images import decode_image, encode_jpeg
from ml_engine.types import EngineClosed
from recognition.events.models import Event
from recognition.live import recogniser, visits, writer
from recognition.live import session as session_module
from recognition.live.identity import RECHECK_S
from recognition.live.session import Sessions, StreamOptions
from recognition.people.models import Collection, Person
from recognition.people.services.persons import person_erase
from recognition.web.process import process
from tests.facerec_site.figures import figure
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, photo, portrait
from tests.recognition.live.streams import DrivenStream, until

pytestmark = pytest.mark.django_db(transaction=True)

ANN, BOB, STRANGER = 11, 22, 33


@pytest.fixture
def ann(engine: FakeEngine, collection: Collection) -> Person:
    person = make_person(collection, name="Ann")
    enrol(person, ANN)
    return person


@pytest.fixture
def stream(engine: FakeEngine, collection: Collection) -> Iterator[DrivenStream]:
    with DrivenStream(collection) as driven:
        yield driven


@pytest.fixture
def quick_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits end soon after the face is gone, though not before its track is over."""
    monkeypatch.setattr(visits, "GAP_S", 1.8)


def _face(answer: dict[str, Any]) -> dict[str, Any]:
    assert len(answer["faces"]) == 1
    return answer["faces"][0]


def test_session_start_names_model_and_device(stream: DrivenStream, collection: Collection) -> None:
    started = stream.wait_for(lambda message: message["type"] == "session.started")
    assert started == {
        "type": "session.started",
        "session": str(stream.session.id),
        "model": str(collection.embedder),
        "device": "fake",
    }


def test_an_answer_has_the_form_of_the_protocol(ann: Person, collection: Collection) -> None:
    picture = photo(ANN, looks=1)
    with DrivenStream(collection) as stream:
        answer = stream.show(picture)
    height, width = decode_image(picture).shape[:2]
    assert (answer["type"], answer["frame"], answer["dropped"]) == ("faces", 8, 0)
    assert answer["size"] == [width, height]
    assert answer["timing_ms"].keys() >= {"queue", "decode", "detect", "search", "total"}
    face = _face(answer)
    assert face["decision"] == "match"
    assert face["person"] == {"id": str(ann.pk), "name": "Ann", "labels": []}
    assert face["similarity"] > face["threshold"] > 0
    assert len(face["box"]) == 4
    assert len(face["landmarks"]) == 5
    assert face["track"] == 1


def test_a_face_is_pending_before_it_is_named(ann: Person, collection: Collection) -> None:
    with DrivenStream(collection) as stream:
        first = _face(stream.answer_to(photo(ANN, looks=1)))
        assert (first["decision"], first["person"], first["event"]) == ("pending", None, None)
        assert _face(stream.show(photo(ANN, looks=1)))["decision"] == "match"


@pytest.mark.parametrize(("choice", "flips"), [("enrolled", False), ("both", True)])
def test_look_is_flip_averaged_only_if_the_gallery_is(
    ann: Person, engine: FakeEngine, choice: str, flips: bool
) -> None:
    collection = ann.collection
    collection.flip_averaging = choice
    collection.save()
    engine.flips.clear()
    engine.asks.clear()
    with DrivenStream(collection) as stream:
        stream.show(photo(ANN, looks=1))
    assert set(engine.flips) == {flips}
    assert {ask.deadline_s for ask in engine.asks} == {recogniser.DEADLINE_S}


def test_one_visit_is_one_event_with_its_pictures(ann: Person, collection: Collection) -> None:
    picture = photo(ANN, looks=1)
    with DrivenStream(collection) as stream:
        stream.show(picture, frames=30)
        opened = stream.wait_for(lambda message: message["type"] == "event")["event"]
        assert _face(stream.answer_to(picture))["event"] == opened["id"]
    event = Event.objects.get()
    assert (event.person, event.decision, event.is_open) == (ann, "match", False)
    assert event.started_at < event.ended_at
    assert event.stream_id == stream.session.id
    assert event.image == ann.images.get()
    assert event.similarity is not None and event.similarity > event.threshold
    snapshot = decode_image(event.snapshot.read())
    height, width = decode_image(picture).shape[:2]
    assert snapshot.shape == (height, width, 3)
    # The square of 120 pixels in the middle, as shares of the sides of the frame.
    expected = [70 / width, 70 / height, 120 / width, 120 / height]
    assert event.box == pytest.approx(expected, abs=0.03)
    # Nothing is drawn into it.
    assert abs(snapshot.astype(int) - decode_image(picture).astype(int)).mean() < 2
    assert decode_image(event.face.read()).shape[0] >= 120
    assert event.vector is not None
    assert [event["id"] for event in stream.events("opened")] == [str(event.pk)]
    assert stream.events("closed")[0]["is_open"] is False


def test_a_stranger_is_unknown_and_one_event(ann: Person, collection: Collection) -> None:
    with DrivenStream(collection) as stream:
        face = _face(stream.show(photo(STRANGER)))
    assert (face["decision"], face["person"]) == ("unknown", None)
    event = Event.objects.get()
    assert (event.decision, event.person) == ("unknown", None)
    assert event.false_match_rate is not None


def test_every_person_in_a_frame_is_named(ann: Person, collection: Collection) -> None:
    enrol(make_person(collection, name="Bob"), BOB)
    with DrivenStream(collection) as stream:
        answer = stream.show(photo(ANN, BOB, STRANGER, looks=2))
    named = sorted((face["person"] or {"name": "?"})["name"] for face in answer["faces"])
    assert named == ["?", "Ann", "Bob"]
    assert Event.objects.count() == 3


def test_a_settled_face_is_not_embedded_in_every_frame(
    ann: Person, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = []
    embed = engine.embed

    def count(image: Any, faces: Any, *args: Any, **options: Any) -> Any:
        embedded.extend(faces)
        return embed(image, faces, *args, **options)

    monkeypatch.setattr(engine, "embed", count)
    with DrivenStream(collection) as stream:
        started = time.monotonic()
        stream.show(photo(ANN, looks=1), frames=20)
        seconds = time.monotonic() - started
    # Three to settle, of which a late one may not count, and one a second.
    assert 3 <= len(embedded) <= 4 + seconds / RECHECK_S


def test_person_who_leaves_and_comes_back_later_is_two_visits(
    ann: Person, collection: Collection, quick_visits: None
) -> None:
    with DrivenStream(collection) as stream:
        stream.show(photo(ANN, looks=1))
        # The face is gone: visits end without frames, too.
        stream.wait_for(lambda m: m["type"] == "event" and m["event"]["kind"] == "closed")
        stream.show(photo(ANN, looks=1))
    assert Event.objects.filter(person=ann).count() == 2


def test_a_slow_engine_does_not_end_a_visit(
    ann: Person,
    collection: Collection,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    quick_visits: None,
) -> None:
    """The time that is spent on a frame is no time without a face."""
    detect = engine.find

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(2)
        return detect(*args, **options)

    with DrivenStream(collection) as stream:
        stream.show(photo(ANN, looks=1))
        with monkeypatch.context() as patch:
            patch.setattr(engine, "find", slow)
            stream.answer_to(photo(ANN, looks=1))
        stream.answer_to(photo(ANN, looks=1))
    assert Event.objects.count() == 1
    assert len(stream.events("closed")) == 1


def test_two_people_who_change_places_are_told_apart(ann: Person, collection: Collection) -> None:
    bob = make_person(collection, name="Bob")
    enrol(bob, BOB)
    with DrivenStream(collection) as stream:
        assert _face(stream.show(photo(ANN, looks=1)))["person"]["name"] == "Ann"
        # They are in the same place, so the tracker takes them for one face.
        stream.wait_for(lambda message: message["type"] == "event")
        told = [_named(stream.answer_to(photo(BOB, looks=1))) for _ in range(5)]
        # From the first look that does not fit, nobody is named until it is firm.
        assert told[0] is None
        assert "Ann" not in told
        assert told[-1] == "Bob"
    assert sorted(Event.objects.values_list("person__name", flat=True)) == ["Ann", "Bob"]


def _named(answer: dict[str, Any]) -> str | None:
    person = _face(answer)["person"]
    return person["name"] if person else None


def test_a_stranger_who_is_enrolled_gets_a_name_within_the_visit(
    engine: FakeEngine, collection: Collection
) -> None:
    person = make_person(collection, name="Newcomer")
    with DrivenStream(collection) as stream:
        assert _face(stream.show(photo(STRANGER, looks=1)))["decision"] == "unknown"
        enrol(person, STRANGER)
        until(lambda: _named(stream.answer_to(photo(STRANGER, looks=1))) == "Newcomer")
    event = Event.objects.get()
    assert (event.decision, event.person) == ("match", person)


def test_a_person_erased_while_seen_is_not_named_any_more(
    ann: Person, collection: Collection
) -> None:
    with DrivenStream(collection) as stream:
        stream.show(photo(ANN, looks=1))
        person_erase(person=ann, actor=ACTOR)
        until(lambda: _named(stream.answer_to(photo(ANN, looks=1))) is None)
        assert _named(stream.show(photo(ANN, looks=1))) is None


def test_person_enrolled_anew_while_seen_has_no_visits_that_overlap(
    ann: Person, collection: Collection
) -> None:
    with DrivenStream(collection) as stream:
        assert _named(stream.show(photo(ANN, looks=1), frames=8)) == ann.name
        until(Event.objects.exists)
        person_erase(person=ann, actor=ACTOR)
        enrol(make_person(collection, name="Ann anew"), ANN)
        until(lambda: _named(stream.answer_to(photo(ANN, looks=1))) == "Ann anew")
        # It is written once the face was looked at again.
        until(lambda: stream.answer_to(photo(ANN, looks=1)) and Event.objects.count() == 2)
    first, second = Event.objects.order_by("started_at")
    assert second.started_at >= first.ended_at


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_image"),
        (b"no picture at all", "unsupported_image"),
        (photo(1)[:900], "broken_image"),
    ],
)
def test_a_bad_frame_is_answered_and_the_session_goes_on(
    stream: DrivenStream, content: bytes, reason: str
) -> None:
    answer = stream.answer_to(content)
    assert answer["type"] == "error"
    assert (answer["code"], answer["reason"], answer["frame"]) == ("bad_frame", reason, 0)
    assert answer["message"]
    assert stream.answer_to(photo(1))["type"] == "faces"


def test_a_busy_engine_drops_the_frame_and_counts_it(
    stream: DrivenStream, engine: FakeEngine
) -> None:
    engine.is_busy = True
    assert stream.answer_to(photo(1))["code"] == "engine_busy"
    engine.is_busy = False
    assert stream.answer_to(photo(1))["dropped"] == 1


def test_a_closed_engine_does_not_end_the_session(
    stream: DrivenStream, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: Any, **__: Any) -> Any:
        raise EngineClosed("The engine is closed.")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "find", closed)
        assert stream.answer_to(photo(1))["code"] == "engine_closed"
    assert stream.answer_to(photo(1))["type"] == "faces"


def test_only_the_newest_frame_is_worked_on(
    stream: DrivenStream, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect, go_on, is_at_work = engine.find, threading.Event(), threading.Event()

    def slow(*args: Any, **options: Any) -> Any:
        is_at_work.set()
        go_on.wait(20)
        return detect(*args, **options)

    monkeypatch.setattr(engine, "find", slow)
    stream.slot.put(photo(1))
    assert is_at_work.wait(20)
    for _ in range(5):
        last = stream.slot.put(photo(1))
    go_on.set()
    answer = stream.wait_for(lambda message: message.get("frame") == last)
    assert answer["dropped"] == 4
    assert [m["frame"] for m in stream.messages if m["type"] == "faces"] == [0, last]


def test_session_stays_within_its_highest_rate(engine: FakeEngine, collection: Collection) -> None:
    with DrivenStream(collection, options=StreamOptions(max_fps=10)) as stream:
        started = time.monotonic()
        stream.show(photo(1), frames=4)
        assert time.monotonic() - started > 0.29


def test_a_database_that_is_away_does_not_end_the_session(
    ann: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visit is written when the database is back."""

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone away")

    monkeypatch.setattr(writer, "_FIRST_PAUSE_S", 0.01)
    with DrivenStream(collection) as stream:
        stream.wait_for(lambda message: message["type"] == "session.started")
        with monkeypatch.context() as patch:
            patch.setattr(writer, "event_open", away)
            patch.setattr("recognition.live.rulebook.Readings.newest", away)
            patch.setattr(session_module, "_TICK_S", 0.05)
            answer = stream.show(photo(ANN, looks=1), frames=6)
            assert _face(answer)["person"]["name"] == "Ann"
        stream.wait_for(lambda message: message["type"] == "event")
    assert Event.objects.get().person == ann


def test_a_collection_that_is_gone_ends_the_session(
    engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recognition.live.rulebook._REREAD_S", 0.0)
    with DrivenStream(collection) as stream:
        stream.answer_to(photo(1))
        Collection.objects.all().delete()
        until(lambda: stream.ended_with)
    assert stream.ended_with == ["not_found"]


def test_a_deleted_event_does_not_come_back(ann: Person, collection: Collection) -> None:
    with DrivenStream(collection) as stream:
        stream.show(photo(ANN, looks=1))
        stream.wait_for(lambda message: message["type"] == "event")
        Event.objects.all().delete()
        stream.show(photo(ANN, looks=1))
    assert not Event.objects.exists()


def test_all_sessions_can_be_ended(engine: FakeEngine, collection: Collection) -> None:
    with DrivenStream(collection) as one, DrivenStream(collection) as other:
        assert process().part(Sessions).stop(20)
        assert one.ended_with == other.ended_with == [None]


def test_a_frame_may_be_an_array(stream: DrivenStream) -> None:
    assert len(stream.answer_to(portrait(1))["faces"]) == 1


def test_a_large_frame_is_stored_smaller(engine: FakeEngine, collection: Collection) -> None:
    picture = encode_jpeg(portrait(STRANGER, size=1200))
    with DrivenStream(collection) as stream:
        stream.show(picture)
    assert max(decode_image(Event.objects.get().snapshot.read()).shape) == 1280


def test_session_works_in_the_context_of_its_caller(
    engine: FakeEngine, collection: Collection
) -> None:
    """So that its lines of the log have the id of the websocket's request."""
    heard = set()

    class Hearing(DrivenStream):
        def _hear(self, message: Any) -> None:
            heard.add(current_request_id.get())
            super()._hear(message)

    token = current_request_id.set("socket-1")
    with Hearing(collection) as stream:
        stream.answer_to(photo(1))
    current_request_id.reset(token)
    assert heard == {"socket-1"}
    assert figure("facerec_frames_total", result="answered") == 1
    assert figure("facerec_frame_seconds_count") == 1


def test_frames_that_nobody_answers_are_counted(engine: FakeEngine, collection: Collection) -> None:
    with DrivenStream(collection) as stream:
        stream.answer_to(b"no picture")
    assert figure("facerec_frames_total", result="refused") == 1
    assert figure("facerec_frames_total", result="answered") == 0
