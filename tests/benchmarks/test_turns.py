"""Enrolment of turned photos, as the benchmark counts it."""

from __future__ import annotations

import pytest

from benchmarks.turns import Look, Looks, TurnReport
from tests.ml_engine.vectors import unit_vectors

_OWN, _OTHER = unit_vectors(2, 64, seed=1)
_REFUSED = Look(None, "no_face")


def _looks(photo: str, upright: Look, turned: Look) -> Looks:
    return Looks(photo, upright, {90: turned}, [_OWN])


@pytest.mark.parametrize(
    ("turned", "is_kept"), [(Look(_OWN), True), (Look(_OTHER), False), (_REFUSED, False)]
)
def test_turned_photo_must_be_enrolled_with_the_upright_face(turned: Look, is_kept: bool) -> None:
    assert TurnReport.of([_looks("a", Look(_OWN), turned)], 90).is_kept is is_kept


def test_photo_refused_upright_may_be_enrolled_turned_with_a_face_found_upright() -> None:
    alike = TurnReport.of([_looks("a", _REFUSED, Look(_OWN))], 90)
    assert (alike.is_kept, alike.upright, alike.only_turned) == (True, 0, 1)
    unlike = TurnReport.of([_looks("a", _REFUSED, Look(_OTHER))], 90)
    assert not unlike.is_kept
    assert unlike.unlike == [f"a: {float(_OWN @ _OTHER):.3f}"]


def test_photo_without_an_upright_face_is_unlike_when_enrolled_turned() -> None:
    report = TurnReport.of([Looks("a", _REFUSED, {90: Look(_OWN)}, [])], 90)
    assert report.unlike == ["a: -1.000"]
