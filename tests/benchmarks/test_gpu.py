"""The table of what a GPU machine measured."""

from __future__ import annotations

from benchmarks.gpu.__main__ import report


def test_report_counts_faces_and_pictures_in_a_second() -> None:
    times = {"ms": {"p50": 2.0, "p95": 3.0}, "on_device_ms": {"p50": 1.5, "p95": 2.0}}
    embed = times | {
        "kind": "embed",
        "name": "a",
        "half": True,
        "batch": 8,
        "least_cosine": 0.99999,
    }
    counts = {"both": 26, "only_cpu": 1, "only_here": 2, "compile_s": 12.6}
    find = times | counts | {"kind": "find", "name": "640x480", "batch": 4}
    text = report({"device": "Some GPU", "jax": "1.2", "results": [embed, find]})
    assert "| a | half | 8 | 2.00 (3.00) | 1.50 | 4000 | 0.99999 |" in text
    assert "| 640x480 | 4 | 2.00 (3.00) | 1.50 | 2000 | 26 | 1 | 2 | 13 |" in text
    assert text.endswith("Some GPU; JAX 1.2")
