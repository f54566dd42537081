"""What a camera kept before we connected is told from what it sends late."""

from __future__ import annotations

import pytest

from recognition.cameras.sources import network


class TestBacklog:
    """Frames at 10 a second; what comes faster than real time was kept by the camera."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [100.0]
        monkeypatch.setattr(network.time, "monotonic", lambda: now[0])
        return now

    def _recognised(self, clock: list[float], gaps: list[float]) -> list[int]:
        backlog = network._Backlog()
        found = []
        for number, gap in enumerate(gaps):
            clock[0] += gap
            if backlog.is_over(number / 10):
                found.append(number)
        return found

    def test_backlog_at_connect_is_not_recognised(self, clock: list[float]) -> None:
        assert self._recognised(clock, [0.2, 0.001, 0.002, 0.001, 0.1, 0.1]) == [4, 5]

    def test_frames_that_come_unevenly_later_are_recognised(self, clock: list[float]) -> None:
        assert self._recognised(clock, [0.2, 0.09, 0.19, 0.01, 0.01, 0.1]) == [1, 2, 3, 4, 5]

    def test_stream_faster_than_real_time_is_recognised_in_the_end(
        self, clock: list[float]
    ) -> None:
        assert self._recognised(clock, [0.01] * 1000)[0] > 400

    def test_frames_without_times_are_recognised(self) -> None:
        assert network._Backlog().is_over(None)
