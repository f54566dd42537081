"""The tape of a camera: whole groups of pictures, bounded, and clips that are cut from it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from recognition.cameras.sources import tape as module
from recognition.cameras.sources.packets import TICKS_PER_S, VideoFormat, VideoPacket
from recognition.cameras.sources.tape import Cut, Tape

_FORMAT = VideoFormat("h264", b"sets")
_BEGUN_S = 1_000_000.0


class _Recorded:
    """A tape with the cuts that came of it; its camera sends ten packets a second."""

    def __init__(self, before_s: float = 2, after_s: float = 3) -> None:
        self.cuts: list[Cut] = []
        self.tape = Tape(before_s, after_s, self.cuts.append)

    def play(
        self, begins: int, ends: int, *, group: int = 10, size: int = 100, **changes: object
    ) -> None:
        """Packets number `begins` to `ends`, a key frame in front of each group."""
        for number in range(begins, ends):
            packet = _packet(number, is_key=number % group == 0, size=size)
            self.tape.add(replace(packet, **changes))  # type: ignore[arg-type]

    def numbers(self, cut: Cut) -> list[int]:
        return [packet.dts * 10 // TICKS_PER_S for packet in cut.packets]

    def held(self) -> list[VideoPacket]:
        return [packet for group in self.tape._groups for packet in group.packets]


def _packet(number: int, *, is_key: bool, size: int = 100) -> VideoPacket:
    ticks = number * TICKS_PER_S // 10
    return VideoPacket(bytes(size), ticks, ticks, is_key, _BEGUN_S + number / 10, _FORMAT)


def _wanted(recorded: _Recorded, number: int) -> UUID:
    clip_id = uuid4()
    recorded.tape.want(clip_id, _BEGUN_S + number / 10)
    return clip_id


def test_clip_goes_from_the_key_frame_before_its_beginning_to_its_end() -> None:
    recorded = _Recorded()
    recorded.play(0, 75)
    clip_id = _wanted(recorded, 65)
    assert recorded.cuts == [], "its end has not come yet"
    recorded.play(75, 120)
    (cut,) = recorded.cuts
    assert cut.clip_id == clip_id
    assert recorded.numbers(cut) == list(range(40, 96))


def test_clip_of_a_visit_that_is_known_late_is_cut_at_once() -> None:
    recorded = _Recorded()
    recorded.play(0, 100)
    _wanted(recorded, 50)
    (cut,) = recorded.cuts
    assert recorded.numbers(cut) == list(range(30, 81))


def test_open_cut_can_end_later_and_one_that_is_over_cannot() -> None:
    recorded = _Recorded()
    recorded.play(0, 75)
    clip_id = _wanted(recorded, 65)
    assert recorded.tape.extend(clip_id, _BEGUN_S + 10.5)
    assert recorded.tape.extend(clip_id, _BEGUN_S), "it never ends earlier"
    recorded.play(75, 120)
    (cut,) = recorded.cuts
    assert recorded.numbers(cut) == list(range(40, 106))
    assert not recorded.tape.extend(clip_id, _BEGUN_S + 20)


def test_tape_holds_whole_groups_of_the_wanted_seconds_only() -> None:
    recorded = _Recorded(before_s=2)
    recorded.play(0, 5000)
    held = recorded.held()
    assert held[0].is_key
    length_s = held[-1].at_s - held[0].at_s
    assert 12 <= length_s <= 12 + 1.1
    assert recorded.tape._bytes == sum(len(packet.data) for packet in held)


def test_tape_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 5000)
    recorded = _Recorded()
    for begins in range(0, 500, 10):
        recorded.play(begins, begins + 10)
        assert sum(len(packet.data) for packet in recorded.held()) <= 5000
    assert recorded.held()[0].is_key


def test_group_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 5000)
    recorded = _Recorded()
    recorded.play(0, 100, group=1000)
    assert recorded.held() == []
    recorded.play(1000, 1010, group=1000)
    assert len(recorded.held()) == 10


def test_clip_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CLIP_BYTES", 3000)
    recorded = _Recorded()
    recorded.play(0, 20)
    _wanted(recorded, 15)
    recorded.play(20, 80)
    (cut,) = recorded.cuts
    assert 3000 < cut.bytes <= 3100


@pytest.mark.parametrize("changed", [VideoFormat("hevc", b"sets"), VideoFormat("h264", b"other")])
def test_two_formats_are_never_in_one_clip(changed: VideoFormat) -> None:
    recorded = _Recorded()
    recorded.play(0, 70)
    _wanted(recorded, 65)
    recorded.play(70, 120, format=changed)
    (cut,) = recorded.cuts
    assert {packet.format for packet in cut.packets} == {_FORMAT}
    assert recorded.numbers(cut)[-1] == 69
    _wanted(recorded, 75)
    assert {packet.format for packet in recorded.cuts[1].packets} == {changed}


def test_clip_whose_visit_begins_after_the_change_begins_with_the_new_format() -> None:
    recorded = _Recorded()
    other = VideoFormat("h264", b"other")
    recorded.play(0, 70)
    _wanted(recorded, 75)
    recorded.play(70, 120, format=other)
    (cut,) = recorded.cuts
    assert {packet.format for packet in cut.packets} == {other}
    assert cut.packets[0].is_key


@pytest.mark.parametrize("jump_s", [-100, 100])
def test_jump_of_the_cameras_clock_begins_a_new_tape(jump_s: int) -> None:
    recorded = _Recorded()
    recorded.play(0, 45)
    ticks = jump_s * TICKS_PER_S
    for number in range(45, 80):
        packet = _packet(number, is_key=number % 10 == 0)
        recorded.tape.add(replace(packet, dts=packet.dts + ticks, pts=packet.pts + ticks))
    held = recorded.held()
    assert held[0].is_key
    assert {round(packet.at_s - _BEGUN_S, 1) for packet in held} == {n / 10 for n in range(50, 80)}


def test_closed_tape_ends_the_clips_that_are_open() -> None:
    recorded = _Recorded()
    recorded.play(0, 70)
    _wanted(recorded, 65)
    recorded.tape.close()
    (cut,) = recorded.cuts
    assert recorded.numbers(cut)[-1] == 69
    _wanted(recorded, 69)
    assert recorded.cuts[1].packets == []


def test_clip_without_a_key_frame_is_empty() -> None:
    recorded = _Recorded()
    recorded.play(1, 9)
    _wanted(recorded, 5)
    recorded.play(11, 60, group=1000)
    (cut,) = recorded.cuts
    assert cut.packets == []
