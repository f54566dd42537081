"""The table of the kinds of cameras."""

from __future__ import annotations

import pytest

from recognition.cameras.sources import KINDS, address_help, kind_choices, played_kinds


@pytest.mark.parametrize("name", played_kinds())
def test_source_of_each_kind_can_be_loaded(name: str) -> None:
    source = KINDS[name].load()
    assert callable(source.check)
    assert callable(source.frames)


def test_each_kind_can_be_chosen_and_its_address_is_explained() -> None:
    assert [name for name, _ in kind_choices()] == list(KINDS)
    for name in played_kinds():
        assert KINDS[name].title in address_help()
