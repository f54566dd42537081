"""The table of kinds."""

from __future__ import annotations

import inspect

import pytest

from recognition.jobs.kinds import KINDS, kind_named, title_of
from recognition.web.errors import ServiceError


@pytest.mark.parametrize("name", KINDS)
def test_function_of_every_kind_can_be_imported(name: str) -> None:
    run = KINDS[name].load()
    assert list(inspect.signature(run).parameters) == ["context", "parameters"]


@pytest.mark.parametrize("name", KINDS)
def test_names_of_job_kinds_fit_their_columns(name: str) -> None:
    assert len(name) <= 32
    assert len(f"{name}:{'0' * 36}") <= 100


def test_periodic_job_kinds_are_single() -> None:
    assert [name for name, kind in KINDS.items() if kind.every] == ["upkeep"]
    assert all(kind.is_single for kind in KINDS.values() if kind.every)


def test_unknown_kind_is_refused_and_still_has_a_title() -> None:
    with pytest.raises(ServiceError, match="'nonsense'"):
        kind_named("nonsense")
    assert title_of("nonsense") == "nonsense"
    assert title_of("upkeep") == "Upkeep"
