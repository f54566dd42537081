from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_engine.zoo import ARTEFACTS
from tools import weights


def keep(name: str, folder: Path) -> None:
    """Files under the names that fetched ones have."""
    for file in ARTEFACTS[name].file_names().values():
        (folder / file).write_bytes(b"weights")


def test_only_what_is_missing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def command(arguments: list[str]) -> int:
        asked.append(arguments)
        return 0

    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "engine_command", command)
    keep("mtcnn", tmp_path)
    assert weights.main(["mobilefacenet", "mtcnn"]) == 0
    assert asked == [["fetch", "--weights", str(tmp_path), "mobilefacenet"]]
    keep("mobilefacenet", tmp_path)
    assert weights.main(["mobilefacenet", "mtcnn"]) == 0
    assert len(asked) == 1


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from tools.weights import main; raise SystemExit(main(['mtcnn']))"],
        cwd=Path(__file__).parents[2],
        env={
            "PATH": os.environ["PATH"],
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": "http://127.0.0.1:9/",
            "PIP_RETRIES": "0",
            "WEIGHTS_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "mtcnn 1.0.0 could not be fetched" in last
    assert last.endswith("Check the network, or the package index that pip and npm are set to.")
    assert "Traceback" not in done.stderr
