from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ml_engine.formats import networks

_ROOT = Path(networks.__file__).parents[3]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one network in every format, and of hostile files; see `networks`."""
    folder = tmp_path_factory.mktemp("formats")
    command = [sys.executable, "-m", networks.__name__, str(folder)]
    subprocess.run(command, check=True, cwd=_ROOT, capture_output=True, timeout=300)
    return folder
