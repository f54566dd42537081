"""Norms of the templates of a gallery, each computed once, and not with each look at a face."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.crowd import Crowd, Norms
from ml_engine.matching.slot_map import SlotMap
from ml_engine.types import Float32

_FIRST_ROOM = 64


class KeptNorms:
    """Thread-safe. Templates have ids; the vector of an id never changes.

    Args:
        crowd: with which templates are compared when they come; None keeps nothing before the
            first `of`.
    """

    def __init__(self, crowd: Crowd | None = None) -> None:
        self._lock = threading.Lock()
        self._crowd = crowd
        self._slots, self._values = _nothing()

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, ids: NDArray[np.int64], vectors: Float32) -> None:
        """Templates (n, d) have come, under ids (n,), all different."""
        if self._crowd is not None:
            self.of(self._crowd, ids, vectors)

    def drop(self, ids: Iterable[int]) -> None:
        with self._lock:
            for each in ids:
                if moved := self._slots.pop(each):
                    slot, last = moved
                    self._values[slot] = self._values[last]

    def of(self, crowd: Crowd, ids: NDArray[np.int64], vectors: Float32) -> Norms:
        """Of templates (n, d) by ids (n,), all different. With another crowd than before, all are
        computed anew, each when it is asked for."""
        with self._lock:
            if crowd is not self._crowd and crowd != self._crowd:
                self._slots, self._values = _nothing()
            self._crowd = crowd  # the next comparison is one of objects
            slots = self._slots.slots(ids)
            found = self._values[slots]
        new = np.flatnonzero(slots < 0)
        if len(new):
            norms = crowd.norms(vectors[new])
            found[new] = np.stack([norms.means, norms.deviations], axis=1)
            self._keep(crowd, ids[new], found[new])
        return Norms(found[:, 0], found[:, 1])

    def _keep(self, crowd: Crowd, ids: NDArray[np.int64], values: Float32) -> None:
        with self._lock:
            if crowd is not self._crowd:
                return
            slots = self._slots.put(ids)
            if len(self._slots) > len(self._values):
                grown = np.empty((max(len(self._slots), 3 * len(self._values) // 2), 2), np.float32)
                grown[: len(self._values)] = self._values
                self._values = grown
            self._values[slots] = values


def _nothing() -> tuple[SlotMap, Float32]:
    """Slots of ids, and by slot mean and deviation."""
    return SlotMap(), np.empty((_FIRST_ROOM, 2), np.float32)
