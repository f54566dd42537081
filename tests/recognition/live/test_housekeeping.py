"""Upkeep beside everything else."""

from __future__ import annotations

import pytest

from recognition.live import housekeeping
from recognition.live.housekeeping import Housekeeper
from tests.recognition.live.streams import until


def test_upkeep_is_done_at_once_and_tried_again_when_it_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[int] = []

    def fails_once() -> dict[str, int]:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("not today")
        return {"events": 1}

    monkeypatch.setattr(housekeeping, "_AFTER_FAILURE_S", 0.01)
    monkeypatch.setattr(housekeeping, "upkeep", fails_once)
    keeper = Housekeeper()
    keeper.start()
    until(lambda: len(tries) == 2)
    assert keeper.stop(5)
    assert len(tries) == 2
