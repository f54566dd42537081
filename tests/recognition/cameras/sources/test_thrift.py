"""How much of a camera is decoded, in groups of 2 s at 10 pictures a second, 5 of them wanted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from recognition.cameras.sources import thrift
from recognition.cameras.sources.thrift import MOST_LEFT_OUT_S, Cores, Thrift

FPS, WANTED_FPS, GROUP_S = 10, 5.0, 2.0


class Stream:
    """Sends groups of pictures; of those that are decoded every second one is wanted."""

    def __init__(self, group_s: float = GROUP_S, *, is_busy: bool = True) -> None:
        self.thrift = Thrift(WANTED_FPS, lambda: is_busy)
        self._group = round(group_s * FPS)
        self._at = 0

    def group(self, is_used: Callable[[int], bool]) -> list[int]:
        """The pictures of the next group that are decoded. is_used: of the wanted ones, by their
        number in the group."""
        decoded = []
        for number in range(self._group):
            self._at += 1
            if self.thrift.wants(self._at / FPS, is_key=number == 0):
                decoded.append(number)
                used = self.thrift.give()
                if number % 2 == 0 and is_used(number):
                    used()
                    used()
        return decoded


def _all(number: int) -> bool:
    return True


def test_camera_whose_pictures_are_used_is_decoded_whole() -> None:
    stream = Stream()
    assert all(len(stream.group(_all)) == 20 for _ in range(10))


def test_end_of_groups_is_left_out_while_pictures_are_lost() -> None:
    stream = Stream()
    stream.group(lambda number: number % 4 == 0)
    decoded = stream.group(_all)
    assert decoded == list(range(len(decoded))), "only the end can be left out"
    assert 10 <= len(decoded) <= 14


def test_as_much_is_decoded_as_can_be_used() -> None:
    """Three pictures a second: the machine is taken by other cameras."""
    stream = Stream()
    room = 6.0
    counts = [len(stream.group(lambda number: number / 2 < room)) for _ in range(30)]
    assert 12 <= sum(counts[10:]) / 20 <= 16


@pytest.mark.parametrize("used", [0, 3, 6])
def test_long_groups_leave_no_long_gaps(used: int) -> None:
    """Of ten wanted pictures so many are used."""
    stream = Stream(group_s=10.0)
    for _ in range(5):
        left_out_s = 10.0 - len(stream.group(lambda number: number / 2 % 10 < used)) / FPS
        assert left_out_s <= MOST_LEFT_OUT_S + 0.1


def test_more_than_half_of_a_group_is_left_out_if_nothing_is_used() -> None:
    """Decoding alone would take all cores."""
    stream = Stream()
    counts = [len(stream.group(lambda number: False)) for _ in range(10)]
    assert max(counts[1:]) <= 9


def test_slow_camera_is_decoded_whole_on_a_machine_with_time_to_spare() -> None:
    """Its pictures wait for each other, not for the cores."""
    stream = Stream(is_busy=False)
    assert all(len(stream.group(lambda number: number % 6 == 0)) == 20 for _ in range(10))


class TestCores:
    @pytest.fixture
    def idle(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[float], None]:
        """Sets the clock forward by a second in which this part of two cores was idle."""
        now_s, idle_ticks = [100.0], [0.0]
        monkeypatch.setattr(thrift.time, "monotonic", lambda: now_s[0])
        monkeypatch.setattr(thrift.os, "cpu_count", lambda: 2)
        monkeypatch.setattr(thrift, "_STAT", tmp_path / "stat")

        def forward(part: float) -> None:
            now_s[0] += 1
            idle_ticks[0] += part * 2 * os.sysconf("SC_CLK_TCK")
            text = f"cpu  900 0 80 {round(idle_ticks[0])} 0 0 0 0\ncpu0 1 2\n"
            (tmp_path / "stat").write_text(text)

        forward(0)
        return forward

    def test_cores_are_taken_while_hardly_any_is_idle(self, idle: Callable[[float], None]) -> None:
        cores = Cores()
        assert not cores.are_taken()
        for part, are_taken in ((0.05, True), (0.5, False), (0.02, True)):
            idle(part)
            assert cores.are_taken() == are_taken

    def test_cores_are_free_if_the_system_does_not_tell(
        self, idle: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(thrift, "_STAT", tmp_path / "none")
        cores = Cores()
        for _ in range(3):
            idle(0)
            assert not cores.are_taken()


def test_camera_is_decoded_whole_again_once_there_is_time() -> None:
    stream = Stream()
    for _ in range(5):
        stream.group(lambda number: number < 6)
    counts = [len(stream.group(_all)) for _ in range(10)]
    assert counts[0] < 20
    assert counts[-1] == 20


@pytest.mark.parametrize("group_s", [0.1, 0.4])
def test_short_groups_are_decoded_whole(group_s: float) -> None:
    """Of MJPEG, each picture is a group of its own."""
    stream = Stream(group_s)
    assert all(stream.group(lambda number: False) == list(range(stream._group)) for _ in range(20))
