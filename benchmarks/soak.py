"""Endurance: memory, threads and file handles over 20,000 frames."""

from __future__ import annotations

from pathlib import Path

from benchmarks.laboratory.charts import draw_soak
from benchmarks.laboratory.soak import evaluate_soak
from benchmarks.peers import ROOT
from ml_engine import EngineConfig, load_engine
from ml_engine.evaluation.report import write_json

FRAMES = 20_000
IMAGES = ROOT / "docs" / "images"
OUT = ROOT / "var" / "bench"


def benchmark(weights: Path, data: Path, rounds: int) -> str:
    """The block as Markdown. Draws docs/images/soak.svg and writes all samples to
    var/bench/soak.json. `rounds` is not used."""
    engine = load_engine(EngineConfig(weights_dir=weights))
    photos = data / "celebs5"
    report = evaluate_soak(engine, frames=FRAMES, data=photos if photos.is_dir() else None)
    engine.close()
    draw_soak(report, IMAGES / "soak.svg")
    write_json([report], OUT / "soak.json")
    return "\n\n".join(
        [
            "## Endurance",
            f"```\n{report.as_text()}\n```",
            "A live stream and a REST client at once; frames of 640x480 with one to five faces, "
            "one in eight of another size, one in a hundred broken; a first twentieth more is "
            "not counted. Of memory the mean of each tenth, of threads and handles what nine of "
            "ten samples do not exceed.",
            "![Memory, threads and handles over frames](images/soak.svg)",
        ]
    )
