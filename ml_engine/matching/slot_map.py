"""Ids of vectors to slots and back, in arrays.

A dict of Python integers would take a hundred bytes an id, which is half of what a vector of bytes
takes. Here it is a table of slots with open addressing: linear probing, at most half full, and
removal that moves later ones back (Knuth, The Art of Computer Programming, volume 3, 6.4,
algorithm R), so that no markers pile up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
_FIRST_ROOM = 64
# Fibonacci hashing: 2^64 over the golden ratio spreads numbers that follow one another.
_FACTOR = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


class SlotMap:
    """Slots are 0 .. len-1 without a gap: the last id takes the place of a removed one."""

    def __init__(self, ids: Int64 | None = None, table: NDArray[np.int32] | None = None) -> None:
        """ids, table: of another map; changed in place."""
        if ids is None or table is None:
            ids, table = np.empty(0, np.int64), np.full(2 * _FIRST_ROOM, -1, np.int32)
        self._ids = ids
        self._count = len(ids)
        self._use_table(table)

    def __len__(self) -> int:
        return self._count

    @property
    def table(self) -> NDArray[np.int32]:
        """What finds ids: with `ids`, all that another map needs."""
        return self._table

    @property
    def ids(self) -> Int64:
        """The id in each slot."""
        return self._ids[: self._count]

    def slot(self, vector_id: int) -> int:
        """-1 if the id is unknown."""
        return int(self._table[self._place(vector_id)])

    def slots(self, ids: Int64) -> Int64:
        """The slots of ids (n,), -1 for unknown ones."""
        places = self._homes(ids)
        found = np.full(len(ids), -1, np.int64)
        pending = np.arange(len(ids) if len(self._ids) else 0)
        while len(pending):
            slots = self._table[places[pending]]
            is_there = (slots >= 0) & (self._ids[slots] == ids[pending])
            found[pending[is_there]] = slots[is_there]
            pending = pending[(slots >= 0) & ~is_there]
            places[pending] = (places[pending] + 1) & self._mask
        return found

    def put(self, ids: Int64) -> Int64:
        """The slots of ids (n,), all different; new ones get the next slots."""
        self._reserve(self._count + len(ids))
        slots = self.slots(ids)
        new = np.flatnonzero(slots < 0)
        slots[new] = np.arange(self._count, self._count + len(new))
        self._ids[slots[new]] = ids[new]
        self._count += len(new)
        self._claim(slots[new])
        return slots

    def pop(self, vector_id: int) -> tuple[int, int] | None:
        """Remove an id. Returns its slot and the last slot, whose vector moves there (both are the
        same if it was the last id); None if the id is unknown."""
        place = self._place(vector_id)
        slot = int(self._table[place])
        if slot < 0:
            return None
        self._free(place)
        last = self._count - 1
        if slot != last:
            moved = int(self._ids[last])
            self._table[self._place(moved)] = slot
            self._ids[slot] = moved
        self._count = last
        return slot, last

    def _use_table(self, table: NDArray[np.int32]) -> None:
        self._mask = len(table) - 1
        self._shift = 64 - (len(table).bit_length() - 1)
        self._table = table

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            grown = np.empty(max(count, len(self._ids) * 3 // 2, _FIRST_ROOM), np.int64)
            grown[: self._count] = self.ids
            self._ids = grown
        if 2 * count > len(self._table):
            self._use_table(np.full(1 << (2 * count - 1).bit_length(), -1, np.int32))
            self._claim(np.arange(self._count))

    def _home(self, vector_id: int) -> int:
        return ((vector_id * _FACTOR) & _WORD) >> self._shift

    def _homes(self, ids: Int64) -> Int64:
        spread = ids.astype(np.uint64) * np.uint64(_FACTOR)
        return (spread >> np.uint64(self._shift)).astype(np.int64)

    def _place(self, vector_id: int) -> int:
        """The place of the id's slot in the table, or the free place for it."""
        place = self._home(vector_id)
        while (slot := int(self._table[place])) >= 0 and int(self._ids[slot]) != vector_id:
            place = (place + 1) & self._mask
        return place

    def _claim(self, slots: Int64) -> None:
        """Enter slots whose ids are not in the table yet. If several need one place, the last
        writer gets it, and the others try the next place."""
        places = self._homes(self._ids[slots])
        pending = np.arange(len(slots))
        while len(pending):
            free = pending[self._table[places[pending]] < 0]
            self._table[places[free]] = slots[free]
            pending = pending[self._table[places[pending]] != slots[pending]]
            places[pending] = (places[pending] + 1) & self._mask

    def _free(self, hole: int) -> None:
        """Empty a place, and move back what was pushed past it."""
        place = hole
        while True:
            place = (place + 1) & self._mask
            slot = int(self._table[place])
            if slot < 0:
                break
            home = self._home(int(self._ids[slot]))
            # May it stand in the hole? Only if its home is not between the hole and here.
            if (place - home) & self._mask >= (place - hole) & self._mask:
                self._table[hole] = slot
                hole = place
        self._table[hole] = -1
