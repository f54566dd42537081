"""The approximate kind: vectors in lists by their nearest centre, of which a search reads a few.

Until `optimise` has found the centres, every vector is scanned, as bytes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from ml_engine.matching.rows import Rows
from ml_engine.matching.scanners import LEAST_COUNT, ByteScanner, Slots, use_threads
from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import Float32

# Number of training vectors for each centre.
_SAMPLES_A_LIST = 40
# A search reads one list in this many. In a gallery like that of `benchmarks.search` it then finds
# 93 % of the people that an exhaustive search finds.
_LISTS_PER_PROBE = 8
_LEAST_PROBES = 16


class ListScanner(ByteScanner):
    """FAISS's inverted lists of int8 codes."""

    def __init__(self, rows: Rows, dimension: int) -> None:
        super().__init__(rows, dimension)
        self._lists: Any = None
        self._count = 0  # in the lists: slots 0 .. count - 1

    def write(self, slots: Slots, vectors: Float32) -> None:
        if self._lists is None:
            super().write(slots, vectors)
            return
        self._take_out(slots[slots < self._count])
        self._lists.add_with_ids(self.encoded(vectors), slots)
        self._count = max(self._count, int(slots.max()) + 1)

    def move(self, source: int, target: int) -> None:
        if self._lists is None:
            super().move(source, target)
            return
        self._take_out(np.unique([source, target]))
        self._count -= 1
        if source != target:
            slots = np.array([target])
            self._lists.add_with_ids(self.encoded(self._rows.take(slots)), slots)

    def scan(self, queries: Float32, k: int, count: int) -> Slots:
        if self._lists is None:
            return super().scan(queries, k, count)
        faiss: Any = import_module("faiss")
        use_threads(1)
        probes = max(_LEAST_PROBES, self._lists.nlist // _LISTS_PER_PROBE)
        wanted = min(count, self.candidates(k))
        parameters = faiss.SearchParametersIVF(nprobe=probes)
        encoded = self.encoded_queries(queries)
        return self._lists.search(encoded, wanted, params=parameters)[1]

    def optimise(self, count: int) -> None:
        """Find centres for the vectors that are there and put them into lists. Takes about half a
        minute for a million on two cores."""
        if count < LEAST_COUNT:
            return
        use_threads(cpu_threads())
        self._lists, self._count = None, 0
        self._learn(count)
        self._lists = self._trained(count)
        self._encode_all(count)
        self._blocks = []
        use_threads(1)

    def _trained(self, count: int) -> Any:
        faiss: Any = import_module("faiss")
        number = 1 << round(np.log2(4 * np.sqrt(count)))
        centres = faiss.IndexFlatIP(self._width)
        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        metric = faiss.METRIC_INNER_PRODUCT
        lists = faiss.IndexIVFScalarQuantizer(centres, self._width, number, kind, metric)
        lists.by_residual = False
        lists.cp.spherical = True
        lists.set_direct_map_type(faiss.DirectMap.Hashtable)
        lists.train(self.encoded(self._sample(count, _SAMPLES_A_LIST * number)))
        # The lists do not own the centres.
        self._centres = centres
        return lists

    def _take_out(self, slots: Slots) -> None:
        import faiss

        if len(slots):
            chosen = np.ascontiguousarray(slots, np.int64)
            self._lists.remove_ids(faiss.IDSelectorArray(len(chosen), faiss.swig_ptr(chosen)))
