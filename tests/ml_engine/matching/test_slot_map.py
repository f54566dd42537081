"""Ids and slots, against a dict."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.matching.slot_map import SlotMap


def _check(slots: SlotMap, ids: list[int]) -> None:
    """`ids` in the order of their slots."""
    assert len(slots) == len(ids)
    assert slots.ids.tolist() == ids
    assert [slots.slot(one) for one in ids] == list(range(len(ids)))


def test_new_ids_get_the_next_slots_and_known_ones_keep_theirs() -> None:
    slots = SlotMap()
    assert slots.put(np.array([5, 9, -3])).tolist() == [0, 1, 2]
    assert slots.put(np.array([9, 7])).tolist() == [1, 3]
    _check(slots, [5, 9, -3, 7])
    assert slots.slot(8) == -1


def test_removed_slot_is_filled_by_the_last() -> None:
    slots = SlotMap()
    slots.put(np.array([10, 11, 12]))
    assert slots.pop(10) == (0, 2)
    _check(slots, [12, 11])
    assert slots.pop(11) == (1, 1)
    assert slots.pop(11) is None
    _check(slots, [12])


@pytest.mark.parametrize("spread", [40, 1 << 62])
def test_slot_map_after_many_changes_equals_a_dict(spread: int) -> None:
    """Few ids come and go often; or they lie anywhere, and clash in the table."""
    rng = np.random.default_rng(3)
    pool = rng.integers(-spread, spread, 3000)
    slots, order = SlotMap(), []
    for _ in range(400):
        chosen = np.unique(rng.choice(pool, rng.integers(1, 40)))
        if rng.random() < 0.5:
            order += [one for one in chosen.tolist() if one not in order]
            slots.put(chosen)
            continue
        for one in chosen.tolist():
            gone = slots.pop(one)
            assert (gone is not None) == (one in order)
            if gone is not None:
                assert gone == (order.index(one), len(order) - 1)
                order[order.index(one)] = order[-1]
                order.pop()
    assert len(order) > 20
    _check(slots, order)


def test_hundred_thousand_ids_are_found_in_a_slot_map() -> None:
    slots = SlotMap()
    ids = np.arange(100_000) * 1024  # a stride that clashes under a poor hash
    slots.put(ids)
    assert slots.put(ids[::-1]).tolist() == list(range(99_999, -1, -1))
    assert len(slots) == 100_000


def test_empty_map_knows_no_id() -> None:
    assert SlotMap().slots(np.array([0, 1], np.int64)).tolist() == [-1, -1]
