"""`python -m tools.weights [--all]`: fetch missing weights, to where the settings say."""

from __future__ import annotations

import sys
from pathlib import Path

import environ

from ml_engine.__main__ import FETCHED
from ml_engine.__main__ import main as engine_command
from ml_engine.types import WeightsUnavailable
from ml_engine.zoo import ensure
from tools.prepare import ROOT

# Of the default models; the rest is large, or for tests.
DEFAULT = ("mobilefacenet", "mtcnn")


def main(names: list[str]) -> int:
    """The exit status of `python -m ml_engine fetch`, which shows how far it is."""
    env = environ.Env()
    env.read_env(env.str("ENV_FILE", str(ROOT / ".env")))
    var = Path(env.str("FACEREC_VAR", str(ROOT / "var")))
    folder = Path(env.str("WEIGHTS_DIR", str(var / "weights")))
    missing = [name for name in names if not _is_there(name, folder)]
    return engine_command(["fetch", "--weights", str(folder), *missing]) if missing else 0


def _is_there(name: str, folder: Path) -> bool:
    try:
        ensure(name, folder)
    except WeightsUnavailable:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main(list(FETCHED if "--all" in sys.argv else DEFAULT)))
