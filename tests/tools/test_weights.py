from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_engine.types import WeightsUnavailable
from tools import weights


def test_what_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "ensure", lambda name, folder: {})
    monkeypatch.setattr(weights, "fetch", lambda *args, **rest: pytest.fail("fetched"))
    weights.main(["mtcnn"])


def test_shows_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str, folder: Path) -> None:
        assert folder == tmp_path
        raise WeightsUnavailable("missing")

    def fetch(name: str, folder: Path, *, progress: object) -> None:
        assert callable(progress)
        progress(name, 0.95, 1.9)

    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "ensure", missing)
    monkeypatch.setattr(weights, "fetch", fetch)
    weights.main(["mtcnn"])
    assert "weights mtcnn:  50%" in capsys.readouterr().err


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/"
    done = subprocess.run(
        [sys.executable, "-c", "from tools.weights import main; main(['mtcnn'])"],
        cwd=Path(__file__).parents[2],
        env={
            "PATH": os.environ["PATH"],
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": nowhere,
            "PIP_RETRIES": "0",
            "WEIGHTS_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("facerec: mtcnn 1.0.0 could not be fetched")
    assert last.endswith("Check the network, or the package index that pip and npm are set to.")
    assert "Traceback" not in done.stderr
