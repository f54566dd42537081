"""Pages learn of notices that any process commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError

from recognition.notices import follower
from recognition.notices.feed import Feed
from recognition.notices.follower import NoticeReader
from recognition.notices.models import Notice
from recognition.notices.sinks.page import PageSink
from recognition.people.models import Person
from recognition.web.process import process
from tests.factories import make_event
from tests.recognition.notices.following import start_following
from tests.recognition.notices.rows import tell

pytestmark = pytest.mark.django_db


def add(*ids: int) -> None:
    for pk in ids:
        Notice.objects.create(pk=pk, kind="person.erased", subject_id=uuid4())


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """The messages to a socket of this process."""
    messages: list[Any] = []
    feed = process().part(Feed)
    feed.join(messages.append)
    yield messages
    feed.leave(messages.append)


class TestReader:
    @pytest.fixture
    def reader(self) -> NoticeReader:
        add(100)
        reader = NoticeReader()
        assert reader.read() == []
        return reader

    @staticmethod
    def read(reader: NoticeReader) -> list[int]:
        return [notice.pk for notice in reader.read()]

    def test_each_notice_is_read_once(self, reader: NoticeReader) -> None:
        add(101, 102)
        assert self.read(reader) == [101, 102]
        assert self.read(reader) == []
        add(103)
        assert self.read(reader) == [103]

    def test_notice_that_is_committed_later_with_a_smaller_id_is_read(
        self, reader: NoticeReader
    ) -> None:
        add(102, 104)
        assert self.read(reader) == [102, 104]
        add(101)
        assert self.read(reader) == [101]
        add(103, 105)
        assert self.read(reader) == [103, 105]
        assert self.read(reader) == []

    def test_reader_does_not_wait_for_a_gap_for_ever(
        self, reader: NoticeReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(follower, "_GAP_S", 0.05)
        add(102, 105)
        assert self.read(reader) == [102, 105]
        for _ in range(2):  # one for each gap
            time.sleep(0.06)
            assert self.read(reader) == []
        assert reader._beyond == set()
        add(101, 106)
        assert self.read(reader) == [106]

    def test_reader_reads_more_than_one_batch(
        self, reader: NoticeReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(follower, "_MOST_AT_ONCE", 2)
        add(102, 103, 104, 105)
        assert [self.read(reader) for _ in range(3)] == [[102, 103], [104, 105], []]

    def test_memory_of_the_reader_is_limited_behind_a_gap(
        self, reader: NoticeReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(follower, "_MOST_BEYOND", 3)
        add(102, 103, 104, 105)
        assert self.read(reader) == [102, 103, 104, 105]
        assert reader._beyond == set()


class TestPage:
    @pytest.mark.parametrize(
        ("kind", "told"),
        [("event.opened", "opened"), ("event.decided", "updated"), ("event.closed", "closed")],
    )
    def test_page_is_sent_the_present_state_of_an_event(
        self, kind: Any, told: str, person: Person, heard: list[Any]
    ) -> None:
        event = make_event(person=person)
        Notice.objects.update(kind=kind)  # the one that it wrote
        PageSink().tell([Notice.objects.get()])
        (message,) = heard
        assert message["type"] == "event"
        assert (message["event"]["id"], message["event"]["kind"]) == (str(event.pk), told)
        assert message["event"]["person"]["name"] == "Ann Example"

    def test_deleted_event_is_told_by_its_ids(self, heard: list[Any]) -> None:
        event, collection = uuid4(), uuid4()
        tell("event.deleted", subject=event, collection=collection)
        PageSink().tell([Notice.objects.get()])
        gone = {"id": str(event), "collection": str(collection), "kind": "deleted"}
        assert heard == [{"type": "event", "event": gone}]

    def test_page_is_sent_nothing_of_a_lost_event(self, heard: list[Any]) -> None:
        tell("event.closed", subject=uuid4(), collection=uuid4())
        PageSink().tell([Notice.objects.get()])
        assert heard == []

    def test_page_is_sent_each_event_that_changed(self, person: Person, heard: list[Any]) -> None:
        events = [make_event(person=person) for _ in range(2)]
        person.events.update(person=None)
        tell("events.changed", events=[event.pk for event in events])
        PageSink().tell([Notice.objects.get(kind="events.changed")])
        assert [message["event"]["id"] for message in heard] == [str(e.pk) for e in events]
        assert {message["event"]["kind"] for message in heard} == {"updated"}
        assert all(message["event"]["person"] is None for message in heard)

    def test_follower_reads_no_rows_while_no_page_is_open(
        self, django_assert_num_queries: Any, person: Person
    ) -> None:
        make_event(person=person)
        notices = list(Notice.objects.all())
        with django_assert_num_queries(0):
            PageSink().tell(notices)

    def test_listener_that_left_hears_nothing(self, heard: list[Any]) -> None:
        process().part(Feed).leave(heard.append)
        tell("event.deleted", collection=uuid4())
        PageSink().tell([Notice.objects.get()])
        assert heard == []


@pytest.mark.django_db(transaction=True)
class TestFollower:
    @pytest.fixture(autouse=True)
    def _running(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        part = start_following(monkeypatch)
        yield
        assert part.stop(10)

    def test_page_hears_a_notice_within_a_second(self, heard: list[Any]) -> None:
        came = threading.Event()
        process().part(Feed).join(lambda _: came.set())
        tell("event.deleted", collection=uuid4())
        assert came.wait(1.0)
        time.sleep(0.5)
        assert len(heard) == 1

    def test_notice_is_told_when_the_database_is_back(
        self, heard: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even a notice that was read before its event could be read."""
        failures = [OperationalError("gone away")] * 2
        monkeypatch.setattr(follower, "_AFTER_FAILURE_S", 0.05)

        def flaky(self: PageSink, notices: Any) -> None:
            if failures:
                raise failures.pop()
            real(self, notices)

        real = PageSink.tell
        monkeypatch.setattr(PageSink, "tell", flaky)
        tell("event.deleted", collection=uuid4())
        deadline = time.monotonic() + 5
        while not heard and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(heard) == 1
