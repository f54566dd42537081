"""`python3 measure.py FOLDER`: run the graphs that `export` wrote; needs only jax and numpy.

Times are of whole calls: a batch of pixels goes to the device, and the answer comes back. A
second figure has the batch on the device already. It writes `measured.json` to the folder, or to
the folder that the second argument names.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

CALLS = 100


def main(folder: Path, out: Path) -> None:
    device = jax.devices()[0]
    measured = {"device": device.device_kind, "jax": jax.__version__, "results": []}
    for graph in json.loads((folder / "graphs.json").read_text()):
        measured["results"].append(graph | _measured(graph, folder))
        # After each one: the time on a lent machine may end.
        (out / "measured.json").write_text(json.dumps(measured, indent=1))
        print(json.dumps(measured["results"][-1]), flush=True)


def _measured(graph: dict[str, Any], folder: Path) -> dict[str, Any]:
    call = jax.jit(export.deserialize((folder / graph["graph"]).read_bytes()).call)
    held = np.load(folder / graph["inputs"])
    if graph["kind"] == "embed":
        values = np.load(folder / graph["weights"])
        fixed = [jax.device_put(values[name]) for name in values.files]
        moving = [held["crops"][: graph["batch"]]]
    else:
        fixed = []
        moving = [held[name] for name in ("pixels", "sizes", "wanted", "least")]
    started = time.perf_counter()
    compiled = call.lower(*fixed, *moving).compile()
    compile_s = time.perf_counter() - started
    answer = jax.tree.map(np.asarray, compiled(*fixed, *moving))
    there = [jax.device_put(value) for value in moving]

    def whole() -> None:
        jax.tree.map(np.asarray, compiled(*fixed, *moving))

    def on_device() -> None:
        jax.block_until_ready(compiled(*fixed, *there))

    return {
        "compile_s": compile_s,
        "ms": _times(whole),
        "on_device_ms": _times(on_device),
        **_compared(graph, held, answer),
    }


def _times(call: Callable[[], None]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    for _ in range(10):
        call()
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return {"p50": float(np.median(times)), "p95": float(np.percentile(times, 95))}


def _compared(graph: dict[str, Any], held: Any, answer: Any) -> dict[str, Any]:
    """How the answers differ from those of the engine on a CPU."""
    if graph["kind"] == "embed":
        vectors = answer / np.linalg.norm(answer, axis=1, keepdims=True)
        cosines = (vectors * held["expected"][: graph["batch"]]).sum(axis=1)
        return {"least_cosine": float(cosines.min())}
    boxes, _, scores = answer
    both = only_cpu = only_here = 0
    for row in range(graph["batch"]):
        found, expected = boxes[row][scores[row] > 0], held[f"expected{row}"]
        same = _same(found, expected)
        both, only_cpu, only_here = (
            both + same, only_cpu + len(expected) - same, only_here + len(found) - same,
        )  # fmt: skip
    return {"both": both, "only_cpu": only_cpu, "only_here": only_here}


def _same(found: Any, expected: Any) -> int:
    """How many boxes of one list overlap a box of the other by half."""
    return sum(1 for box in expected if len(found) and _overlaps(box, found).max() > 0.5)


def _overlaps(box: Any, others: Any) -> Any:
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return shared / (areas + np.prod(box[2:] - box[:2]) - shared)


if __name__ == "__main__":
    arguments: Sequence[str] = sys.argv[1:]
    main(Path(arguments[0]), Path(arguments[-1]))
