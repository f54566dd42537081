"""`python -m tools.weights [--all]`: fetch missing weights to the folder of the settings."""

from __future__ import annotations

import sys
from pathlib import Path

from facerec_site.environment import read_environment
from ml_engine.__main__ import FETCHED, OPTIONAL
from ml_engine.__main__ import main as engine_command
from ml_engine.config import EngineConfig
from ml_engine.types import WeightsUnavailable
from ml_engine.zoo import ensure, preset
from tools.messages import note, stop
from tools.prepare import ROOT


def main(*, is_all: bool) -> int:
    """Fetch the weights that the settings need, or all. Returns 0 if the needed ones are there.

    Optional weights that cannot be fetched are reported and left out, unless the settings need
    them.
    """
    env = read_environment(ROOT)
    var = Path(env.str("FACEREC_VAR", str(ROOT / "var")))
    folder = Path(env.str("WEIGHTS_DIR", str(var / "weights")))
    needed = _needed(env.str("ENGINE_DETECTOR", EngineConfig().detector))
    optional = [name for name in OPTIONAL if name not in needed] if is_all else []
    wanted = [*needed, *(name for name in FETCHED if name not in needed)] if is_all else needed
    status = _fetch(wanted, folder)
    if _fetch(optional, folder):
        note("these weights are optional and left out; all else works without them")
    return status


def _needed(detector: str) -> list[str]:
    """The artefacts of the default models."""
    try:
        models = (preset(detector, "detector"), preset(EngineConfig().embedder))
    except KeyError as error:
        stop(f"ENGINE_DETECTOR: {error.args[0]}")
    return [name for model in models for name in model.artefacts]


def _fetch(names: list[str], folder: Path) -> int:
    """Run `python -m ml_engine fetch` for the missing ones; returns its exit status."""
    missing = [name for name in names if not _is_there(name, folder)]
    return engine_command(["fetch", "--weights", str(folder), *missing]) if missing else 0


def _is_there(name: str, folder: Path) -> bool:
    try:
        ensure(name, folder)
    except WeightsUnavailable:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main(is_all="--all" in sys.argv))
