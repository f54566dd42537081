"""A slot keeps the newest frame; nobody waits, and dropped frames are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from recognition.live.slot import FrameSlot


def test_frames_are_numbered_from_zero_in_order_of_arrival() -> None:
    slot = FrameSlot()
    assert [slot.put(b"a"), slot.skip(), slot.put(b"b")] == [0, 1, 2]


def test_only_the_newest_frame_waits() -> None:
    slot = FrameSlot()
    for content in (b"a", b"b", b"c"):
        slot.put(content)
    frame = slot.take(0)
    assert frame is not None
    assert (frame.number, frame.content) == (2, b"c")
    assert slot.dropped == 2
    assert slot.take(0) is None


def test_a_frame_that_was_taken_is_not_dropped() -> None:
    slot = FrameSlot()
    for content in (b"a", b"b"):
        slot.put(content)
        slot.take(0)
    assert slot.dropped == 0
    slot.count_dropped()
    assert slot.dropped == 1


@pytest.mark.parametrize("wake", [lambda slot: slot.put(b"a"), FrameSlot.close])
def test_thread_that_waits_at_a_slot_is_woken(wake: Callable[[FrameSlot], object]) -> None:
    slot = FrameSlot()
    thread = threading.Thread(target=slot.take, args=(60,))
    thread.start()
    wake(slot)
    thread.join(10)
    assert not thread.is_alive()


def test_a_closed_slot_keeps_nothing() -> None:
    slot = FrameSlot()
    slot.put(b"a")
    slot.close()
    slot.put(b"b")
    assert slot.is_closed
    assert slot.take(0) is None


def test_slot_tells_when_a_frame_waits() -> None:
    slot = FrameSlot()
    assert not slot.wait(0)
    slot.put(b"a")
    assert slot.wait(0)
    slot.close()
    assert not slot.wait(60)
