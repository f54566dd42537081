"""`python -m benchmarks.gpu export FOLDER` and `report FOLDER`: see the package."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.document import table, write_block
from benchmarks.peers import ROOT
from ml_engine.zoo import default_weights_dir

_DATA = Path(os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("step", choices=("export", "report"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=_DATA)
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    options = parser.parse_args()
    if options.step == "export":
        from benchmarks.gpu.export import export

        export(options.folder, options.data, options.weights)
    else:
        text = report(json.loads((options.folder / "measured.json").read_text()))
        print(text)
        write_block("gpu", text)


def report(measured: dict[str, Any]) -> str:
    """The block of docs/benchmarks.md from what `measure.py` wrote."""
    results = measured["results"]
    embedding = table(
        ["network", "precision", "batch", "call, ms (p95)", "on the device, ms", "faces/s",
         "least cosine to the CPU"],
        [
            [row["name"], "half" if row["half"] else "single", str(row["batch"]),
             *_times(row), f"{row['least_cosine']:.5f}"]
            for row in results
            if row["kind"] == "embed"
        ],
    )  # fmt: skip
    finding = table(
        ["pictures", "batch", "call, ms (p95)", "on the device, ms", "pictures/s",
         "faces of both", "only CPU", "only GPU", "compiling, s"],
        [
            [row["name"], str(row["batch"]), *_times(row), str(row["both"]),
             str(row["only_cpu"]), str(row["only_here"]), f"{row['compile_s']:.0f}"]
            for row in results
            if row["kind"] == "find"
        ],
    )  # fmt: skip
    return (
        f"{embedding}\n\n{finding}\n\n"
        "`python -m benchmarks.gpu export`, then `measure.py` on the machine with the GPU: "
        f"{measured['device']}; JAX {measured['jax']}"
    )


def _times(row: dict[str, Any]) -> list[str]:
    whole, there = row["ms"], row["on_device_ms"]
    per_second = 1000 * row["batch"] / whole["p50"]
    return [f"{whole['p50']:.2f} ({whole['p95']:.2f})", f"{there['p50']:.2f}", f"{per_second:.0f}"]


if __name__ == "__main__":
    main()
