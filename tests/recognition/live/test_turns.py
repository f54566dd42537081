"""Streams take turns, and know how many frames they lose."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from recognition.live.session import Sessions
from recognition.live.slot import Load, Turns
from recognition.people.models import Collection
from recognition.web.process import process
from tests.fakes import FakeEngine, portrait
from tests.recognition.live.streams import DrivenStream, until


def test_turns_go_to_the_stream_that_waited_longest() -> None:
    turns, served = Turns(1), []

    def stream(name: str) -> None:
        for _ in range(3):
            with turns.turn():
                served.append(name)
                time.sleep(0.02)

    threads = [threading.Thread(target=stream, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    # All of them wait in line before the first one comes back.
    assert [set(served[start : start + 4]) for start in (0, 4, 8)] == [set("abcd")] * 3


def test_no_more_turns_run_at_once_than_there_are() -> None:
    turns, inside, most = Turns(2), [], []

    def stream(number: int) -> None:
        with turns.turn():
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=stream, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 6
    assert max(most) == 2


def test_turn_that_fails_is_given_on() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="broken"), turns.turn():
        raise ValueError("broken")
    with turns.turn():
        pass


def test_load_is_high_while_frames_are_lost() -> None:
    load = Load()
    for _ in range(10):
        load.note(lost=0, busy_s=0.1, gap_s=0.0)
    assert (load.stretch, load.is_high) == (1.0, False)
    for _ in range(10):
        load.note(lost=3, busy_s=0.8, gap_s=0.0)
    assert load.stretch == pytest.approx(4.0, abs=0.01)
    assert load.is_high
    for _ in range(20):
        load.note(lost=0, busy_s=0.1, gap_s=0.0)
    assert not load.is_high


def test_frames_beyond_the_highest_rate_are_no_load() -> None:
    load = Load()
    for _ in range(10):
        # Of 30 frames a second five are wanted, and one frame takes 20 ms.
        load.note(lost=1, busy_s=0.02, gap_s=0.2)
    assert not load.is_high


@pytest.mark.django_db(transaction=True)
def test_stream_whose_turn_comes_late_answers_its_newest_frame(
    engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(1)
    monkeypatch.setattr(process().part(Sessions), "turns", turns)
    with DrivenStream(collection) as stream:
        stream.answer_to(portrait(1))
        with turns.turn():
            stream.slot.put(portrait(1))
            until(lambda: turns._line)
            stream.slot.put(portrait(1))
            newest = stream.slot.put(portrait(1))
        answer = stream.wait_for(lambda message: message.get("frame", 0) > 0)
        assert (answer["frame"], answer["dropped"]) == (newest, 2)
        until(lambda: stream.session._load.is_high)


@pytest.mark.django_db(transaction=True)
def test_overloaded_streams_are_served_in_turn(
    engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three cameras on an engine that has time for one."""
    monkeypatch.setattr(process().part(Sessions), "turns", Turns(1))
    find = engine.find

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(0.05)
        return find(*args, **options)

    monkeypatch.setattr(engine, "find", slow)
    with ExitStack() as stack:
        streams = [stack.enter_context(DrivenStream(collection)) for _ in range(3)]
        for _ in range(100):
            for stream in streams:
                stream.slot.put(portrait(1))
            time.sleep(0.02)
        counts = [sum(m["type"] == "faces" for m in stream.messages) for stream in streams]
    assert min(counts) >= 3
    assert max(counts) - min(counts) <= 2
