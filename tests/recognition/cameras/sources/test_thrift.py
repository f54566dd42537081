"""How much of a camera is decoded, in groups of 2 s at 10 pictures a second, 5 of them wanted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recognition.cameras.sources.thrift import MOST_LEFT_OUT_S, Thrift

FPS, WANTED_FPS, GROUP_S = 10, 5.0, 2.0


class Stream:
    """Sends groups of pictures; of those that are decoded every second one is wanted."""

    def __init__(self, group_s: float = GROUP_S) -> None:
        self.thrift = Thrift(WANTED_FPS)
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


@pytest.mark.parametrize("used", [3, 6])
def test_long_groups_leave_no_long_gaps(used: int) -> None:
    """Of ten wanted pictures so many are used."""
    stream = Stream(group_s=6.0)
    stream.group(lambda number: number / 2 % 10 < used)
    left_out_s = 6.0 - len(stream.group(_all)) / FPS
    assert left_out_s == pytest.approx(MOST_LEFT_OUT_S / (used / 10), abs=0.3)


def test_hardly_more_than_key_frames_is_decoded_if_nothing_is_used() -> None:
    """Decoding alone would take all cores, and nothing would ever be used."""
    stream = Stream()
    counts = [len(stream.group(lambda number: False)) for _ in range(10)]
    assert max(counts[1:]) <= 3


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
