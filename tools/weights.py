"""`python -m tools.weights [--all]`: fetch weights with a bar for each package."""

from __future__ import annotations

import sys
from pathlib import Path

import environ
from tqdm import tqdm

from ml_engine.types import WeightsUnavailable
from ml_engine.zoo import ARTEFACTS, ensure, fetch
from tools.messages import stop
from tools.prepare import ROOT

DEFAULT = ("mobilefacenet", "mtcnn")


def main(names: list[str]) -> None:
    env = environ.Env()
    env.read_env(env.str("ENV_FILE", str(ROOT / ".env")))
    var = Path(env.str("FACEREC_VAR", str(ROOT / "var")))
    folder = Path(env.str("WEIGHTS_DIR", str(var / "weights")))
    for name in names:
        try:
            ensure(name, folder)
        except WeightsUnavailable:
            _fetch(name, folder)


def _fetch(name: str, folder: Path) -> None:
    total_mb = ARTEFACTS[name].package_mb
    with tqdm(desc=f"weights {name}", total=total_mb, bar_format=BAR) as bar:

        def show(_: str, done_mb: float, total_mb: float) -> None:
            bar.n = done_mb
            bar.refresh()

        try:
            fetch(name, folder, progress=show)
        except WeightsUnavailable as error:
            bar.close()
            stop(str(error))


BAR = "{desc}: {percentage:3.0f}% |{bar:30}| {n:.1f}/{total:.1f} MB"


if __name__ == "__main__":
    main(list(ARTEFACTS) if "--all" in sys.argv else list(DEFAULT))
