"""The times of the engine's stages are counted for every caller, and told to the one who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ml_engine.request import Ask, Timings
from ml_engine.types import EngineBusy
from recognition.engine import get_engine
from tests.facerec_site.figures import figure
from tests.fakes import FakeEngine, portrait


def _counted(stage: str) -> float:
    return figure("facerec_stage_seconds_count", stage=stage)


CALLS: dict[str, tuple[Callable[[Any, Ask], object], set[str]]] = {
    "find": (lambda engine, ask: engine.find([portrait(1)], ask=ask), {"queue", "detect", "align"}),
    "embed": (
        lambda engine, ask: engine.embed(portrait(1), engine.find([portrait(1)])[0], ask),
        {"embed"},
    ),
    "analyze": (
        lambda engine, ask: engine.analyze([portrait(1)], ask=ask),
        {"queue", "detect", "align", "embed"},
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_stages_of_a_call_are_counted_and_told(engine: FakeEngine, name: str) -> None:
    call, stages = CALLS[name]
    timings: Timings = {"queue": 1.0}
    call(get_engine(), Ask(timings=timings))
    assert timings.keys() == stages | {"queue"}
    assert timings["queue"] >= 1.0
    assert all(_counted(stage) == 1 for stage in stages)


def test_call_without_timings_is_counted(engine: FakeEngine) -> None:
    get_engine().find([portrait(1)])
    assert _counted("detect") == 1


def test_refused_call_is_not_counted_as_a_stage(engine: FakeEngine) -> None:
    engine.is_busy = True
    with pytest.raises(EngineBusy):
        get_engine().find([portrait(1)])
    assert _counted("detect") == 0
