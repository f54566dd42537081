"""Rules of a collection, read again while streams run."""

from __future__ import annotations

import gc
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recognition.live import rulebook
from recognition.live.rulebook import Readings, Rulebook
from recognition.people.models import Collection, Person
from recognition.web.process import process
from tests.fakes import embedding_of
from tests.recognition.people.index.galleries import add

# Threads of other tests may still write: no transaction of a test must keep them waiting.
pytestmark = pytest.mark.django_db(transaction=True)


class _Clock:
    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(rulebook, "time", clock)
    return clock


def _reads(book: Rulebook) -> int:
    """How often the collection is read."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert not book.reread()
    table = Collection._meta.db_table
    return sum(f'FROM "{table}"' in query["sql"].replace("`", '"') for query in queries)


def test_one_stream_reads_the_rules_for_all(collection: Collection, clock: _Clock) -> None:
    books = [Rulebook(collection) for _ in range(5)]
    for _ in range(3):
        clock.now += 2.1
        assert [_reads(book) > 0 for book in books] == [True, False, False, False, False]


def test_change_is_in_force_in_all_streams_after_the_next_reading(
    collection: Collection, clock: _Clock
) -> None:
    books = [Rulebook(collection) for _ in range(2)]
    Collection.objects.filter(pk=collection.pk).update(match_threshold=0.77)
    clock.now += 1.0
    assert not any(book.reread() for book in books)
    assert [book.rules.threshold == 0.77 for book in books] == [False, False]
    clock.now += 1.1
    assert not any(book.reread() for book in books)
    assert [book.rules.threshold for book in books] == [0.77, 0.77]


def test_threshold_by_hand_makes_other_scores(person: Person, clock: _Clock) -> None:
    """A face that is in view is then looked at anew: its mean would be of both kinds of scores."""
    add(person, embedding_of(1))
    book = Rulebook(person.collection)
    before = book.scored_by
    assert not book.search(embedding_of(1))[0][0].is_fixed
    Collection.objects.update(match_threshold=0.77)
    clock.now += 2.1
    book.reread()
    assert book.scored_by != before
    assert book.search(embedding_of(1))[0][0].is_fixed


def test_reading_is_kept_only_while_a_stream_uses_it(collection: Collection, clock: _Clock) -> None:
    """It holds a gallery, which may be that of a model that was let go."""
    book = Rulebook(collection)
    clock.now += 2.1
    book.reread()
    newest = process().part(Readings)._newest
    assert set(newest) == {(collection.pk, None)}
    del book
    gc.collect()
    assert not newest


def test_stream_that_starts_later_never_takes_over_older_rules(
    collection: Collection, clock: _Clock
) -> None:
    first = Rulebook(collection)
    clock.now += 2.1
    first.reread()
    Collection.objects.filter(pk=collection.pk).update(match_threshold=0.77)
    clock.now += 0.5
    later = Rulebook(Collection.objects.select_related("embedder").get(pk=collection.pk))
    for _ in range(40):
        clock.now += 0.1
        first.reread()
        later.reread()
        assert later.rules.threshold == 0.77
    assert first.rules.threshold == 0.77
