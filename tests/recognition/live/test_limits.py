from __future__ import annotations

import pytest

from recognition.live.limits import StreamLimits, TooMany


def test_streams_are_limited_for_one_caller_and_in_total() -> None:
    limits = StreamLimits()
    for _ in range(2):
        limits.enter("ann", most=3, most_per_caller=2)
    with pytest.raises(TooMany, match="You have 2"):
        limits.enter("ann", most=3, most_per_caller=2)
    limits.enter("bob", most=3, most_per_caller=2)
    with pytest.raises(TooMany, match="server"):
        limits.enter("cleo", most=3, most_per_caller=2)
    limits.leave("ann")
    limits.enter("cleo", most=3, most_per_caller=2)


def test_limiter_forgets_callers_without_streams() -> None:
    limits = StreamLimits()
    for number in range(100):
        limits.enter(str(number), most=3, most_per_caller=2)
        limits.leave(str(number))
    assert limits.total == 0
    assert len(limits._open) == 0
