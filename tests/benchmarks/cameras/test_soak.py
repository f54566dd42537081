"""What counts as steady in the endurance of cameras."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.cameras.soak import Sample, SoakRun, markdown, picture_of
from benchmarks.cameras.viewers import Comings


def _run(memory: Callable[[float], float], handles: Callable[[float], float]) -> SoakRun:
    """45 minutes with a sample every five seconds."""
    chance = np.random.default_rng(1)
    samples = [
        Sample(minute, memory(minute) + chance.normal(0, 2), 60 + int(chance.integers(6)),
               int(handles(minute) + chance.integers(9)), 12, 4)
        for minute in np.arange(0, 45, 1 / 12).tolist()
    ]  # fmt: skip
    return SoakRun(samples, Comings(900, 80_000, 0), 5.0, 120.0, (2.0, 4.0))


@pytest.mark.parametrize(
    ("run", "failing"),
    [
        (_run(lambda minute: 300.0, lambda minute: 90.0), set()),
        (_run(lambda minute: 300 + 0.05 * minute, lambda minute: 90.0), set()),
        (_run(lambda minute: 300 + 0.2 * minute, lambda minute: 90.0), {"memory_mb"}),
        (_run(lambda minute: 300.0, lambda minute: 90 + 0.2 * minute), {"handles"}),
    ],
    ids=["flat", "half the bar", "twice the bar", "a handle in five minutes"],
)
def test_rise_above_the_bar_is_told(run: SoakRun, failing: set[str]) -> None:
    names = ("memory_mb", "threads", "handles", "connections")
    assert {name for name in names if not run.holds(name)} == failing
    assert markdown(run, 45, 10).count("**no**") == len(failing)


def test_picture_of_a_soak_is_an_svg_with_four_lines() -> None:
    picture = ElementTree.fromstring(picture_of(_run(lambda m: 300.0, lambda m: 90.0)))
    assert len(picture.findall("{http://www.w3.org/2000/svg}polyline")) == 4
