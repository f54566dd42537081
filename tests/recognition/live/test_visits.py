"""One visit, however many frames and tracks it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ml_engine.matching import Candidate
from recognition.live.identity import Identity
from recognition.live.visits import GAP_S, Visit, VisitBook
from tests.recognition.live.faces import decided, look_at, match, nobody, settled

_START = datetime(2026, 1, 1, tzinfo=UTC)
LIKENESS = 0.45


@pytest.fixture
def book() -> VisitBook:
    return VisitBook(LIKENESS)


def _see(book: VisitBook, at_s: float, *identities: Identity) -> None:
    book.see(identities, at_s, _START + timedelta(seconds=at_s))


def _only(book: VisitBook) -> Visit:
    assert len(book.visits) == 1
    return book.visits[0]


def test_a_pending_face_makes_no_visit(book: VisitBook) -> None:
    identity = Identity(1, 0.0)
    look_at(identity, nobody(), 0.0)
    _see(book, 0.0, identity)
    assert book.visits == []


def test_a_visit_begins_with_the_first_sight_of_the_face(book: VisitBook) -> None:
    _see(book, 0.25, settled(match("ann")))
    visit = _only(book)
    assert visit.person == "ann"
    assert visit.started_at == _START


def _events(book: VisitBook) -> list[Visit]:
    return [visit for visit in book.visits if not visit.is_tentative]


def test_a_name_that_is_not_firm_makes_no_event(book: VisitBook) -> None:
    """A stranger whose score is now above and now below the threshold."""
    wavering = Identity(1, 0.0)
    look_at(wavering, match("ann", 0.6), 0.0)
    look_at(wavering, match("ann", 0.48), 0.8)
    assert wavering.decision is not None
    assert wavering.decision.kind == "match"
    _see(book, 0.8, wavering)
    assert _events(book) == []
    for at_s in (0.9, 1.3, 1.7):
        look_at(wavering, nobody(0.3), at_s)
        _see(book, at_s, wavering)
    assert _only(book).decision.kind == "unknown"
    assert _events(book) == book.visits


def test_a_name_that_is_not_firm_joins_no_visit_of_that_name(book: VisitBook) -> None:
    _see(book, 0.2, settled(match("ann"), track=1))
    wavering = Identity(2, 0.0)
    look_at(wavering, match("ann", 0.6), 0.0, number=9)
    look_at(wavering, match("ann", 0.48), 0.8, number=9)
    _see(book, 0.8, wavering)
    assert book.visit_of(2) is not book.visit_of(1)
    look_at(wavering, match("ann", 0.6), 0.9, number=9)
    _see(book, 0.9, wavering)
    assert book.visit_of(2) is book.visit_of(1)
    assert _events(book) == book.visits


def test_many_frames_are_one_visit(book: VisitBook) -> None:
    identity = settled(match("ann"))
    for step in range(200):
        _see(book, 0.3 + step / 10, identity)
        assert book.close_gone(0.3 + step / 10) == []
    assert _only(book).last_seen_s == pytest.approx(20.2)


def test_a_visit_ends_when_the_face_is_gone_for_the_gap(book: VisitBook) -> None:
    _see(book, 1.0, settled(match("ann")))
    assert book.close_gone(1.0 + GAP_S) == []
    over = book.close_gone(1.0 + GAP_S + 0.1)
    assert [visit.person for visit in over] == ["ann"]
    assert over[0].last_seen_at == _START + timedelta(seconds=1)
    assert book.visits == []
    assert book.visit_of(1) is None


def test_person_who_comes_back_within_the_gap_continues_the_visit(book: VisitBook) -> None:
    _see(book, 1.0, settled(match("ann"), track=1))
    book.leave(1)
    _see(book, 3.0, settled(match("ann"), track=2))
    assert _only(book).tracks == {2}


def test_a_stranger_who_comes_back_is_known_by_their_face(book: VisitBook) -> None:
    _see(book, 1.0, settled(nobody(), track=1, number=5))
    book.leave(1)
    _see(book, 3.0, settled(nobody(), track=2, number=5))
    _only(book)
    _see(book, 3.1, settled(nobody(), track=3, number=6))
    assert len(book.visits) == 2


def test_two_strangers_at_once_are_two_visits_even_if_alike(book: VisitBook) -> None:
    one, other = settled(nobody(), track=1, number=5), settled(nobody(), track=2, number=5)
    for at_s in (1.0, 1.1):
        _see(book, at_s, one, other)
    assert len(book.visits) == 2


def test_an_unknown_visit_becomes_a_match(book: VisitBook) -> None:
    identity = settled(nobody())
    _see(book, 0.3, identity)
    for step in range(12):
        look_at(identity, match("ann"), 0.8 + step / 10)
    _see(book, 2.0, identity)
    visit = _only(book)
    assert visit.person == "ann"
    assert visit.has_news


def test_match_stays_when_the_face_turns_away(book: VisitBook) -> None:
    identity = settled(match("ann"))
    _see(book, 0.3, identity)
    for step in range(60):
        look_at(identity, nobody(0.4), 0.4 + step / 10, quality=0.5)
    assert identity.decision is not None
    assert identity.decision.kind == "unknown"
    _see(book, 6.4, identity)
    assert _only(book).decision.kind == "match"
    assert _only(book).decision.similarity == pytest.approx(0.8)


def test_a_face_lost_as_a_match_and_found_unknown_goes_on_with_the_visit(book: VisitBook) -> None:
    _see(book, 1.0, settled(match("ann"), track=1))
    book.leave(1)
    _see(book, 2.0, settled(nobody(), track=2))
    assert _only(book).person == "ann"


def test_a_stranger_found_out_to_be_in_a_visit_already_joins_it(book: VisitBook) -> None:
    _see(book, 0.3, settled(match("ann"), track=1))
    turned = settled(nobody(), track=2, number=9)
    _see(book, 0.4, turned)
    assert len(book.visits) == 2
    for step in range(9):
        look_at(turned, match("ann"), 0.8 + step / 10, number=9)
    _see(book, 1.7, turned)
    visit = book.visit_of(2)
    assert visit is not None
    assert visit.tracks == {1, 2}


def test_a_track_that_passes_to_another_person_makes_another_visit(book: VisitBook) -> None:
    identity = settled(match("ann"), number=1)
    _see(book, 0.3, identity)
    look_at(identity, match("bob"), 1.3, number=2)
    assert not look_at(identity, match("bob"), 1.4, number=2)
    book.leave(identity.track)
    for at_s in (1.5, 1.6):
        look_at(identity, match("bob"), at_s, number=2)
    _see(book, 1.6, identity)
    assert [visit.person for visit in book.visits] == ["ann", "bob"]
    assert book.visits[1].started_at == _START + timedelta(seconds=1.4)


def _renamed(identity: Identity, candidates: list[Candidate]) -> None:
    """The gallery changed: the same looks find somebody else now."""
    found = [candidates] * len(identity.embeddings)
    identity.reconsider(found, decided)


def _all_spans(book: VisitBook, at_s: float) -> list[tuple[object, float, float]]:
    """Person, begin and end of every visit, in seconds, once all are over."""
    over = [*book.close_gone(at_s), *book.close()]
    spans = [
        (visit.person, (visit.started_at - _START).total_seconds(), visit.last_seen_s)
        for visit in over
    ]
    return sorted(spans, key=lambda span: span[1])


@pytest.mark.parametrize(
    "names",
    [
        ["ann", "ann again"],  # erased and enrolled anew, or merged into another person
        ["ann", "twin", "ann"],  # enrolled twice: inactive, and active again
        ["ann", "twin", "ann", "twin", "ann"],
    ],
)
def test_person_in_view_while_the_gallery_changes_has_no_visits_that_overlap(
    book: VisitBook, names: list[str]
) -> None:
    identity = settled(match(names[0]))
    at_s = 0.0
    for name in names:
        _renamed(identity, match(name))
        for _ in range(10):
            at_s += 0.1
            _see(book, at_s, identity)
    spans = _all_spans(book, at_s)
    assert [person for person, *_ in spans] == names
    for (_, _, ended_s), (_, began_s, _) in pairwise(spans):
        assert began_s == pytest.approx(ended_s), "no time is counted twice, and none is lost"


def test_person_who_is_inactive_for_a_while_stays_in_their_visit(book: VisitBook) -> None:
    identity = settled(match("ann"))
    for step, candidates in enumerate([match("ann"), nobody(), match("ann")]):
        _renamed(identity, candidates)
        _see(book, float(step), identity)
    assert _only(book).person == "ann"


def test_better_picture_is_taken_if_it_is_clearly_better(book: VisitBook) -> None:
    _see(book, 0.3, settled(match("ann")))
    visit = _only(book)
    assert visit.wants_picture(0.1)
    visit.quality = 0.5
    assert not visit.wants_picture(0.52)
    assert visit.wants_picture(0.6)


def test_small_rise_of_the_similarity_is_not_written(book: VisitBook) -> None:
    _see(book, 0.3, settled(match("ann", 0.8)))
    visit = _only(book)
    visit.has_news = False
    identity = settled([Candidate("ann", 1, 0.81)])
    _see(book, 0.4, identity)
    assert visit.decision.similarity == pytest.approx(0.81)
    assert not visit.has_news
    _see(book, 0.5, settled([Candidate("ann", 1, 0.9)]))
    assert visit.has_news


def test_closing_the_book_ends_every_visit(book: VisitBook) -> None:
    _see(book, 0.3, settled(match("ann"), track=1), settled(nobody(), track=2, number=4))
    assert len(book.close()) == 2
    assert book.visits == []
