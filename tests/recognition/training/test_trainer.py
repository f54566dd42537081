"""What a job hears of the process that trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recognition.training.services import trainer
from recognition.web.errors import ServiceError

_HALF = """
import os, sys
sys.stdin.readline()
os.write(1, b'{"progress": {')
os.kill(os.getpid(), 9)
"""
_NONSENSE = "import time; print('nonsense', flush=True); time.sleep(60)"


@pytest.mark.parametrize(
    ("code", "told"),
    [(_HALF, "training_killed"), (_NONSENSE, "training_ended")],
    ids=["half a line", "nonsense"],
)
def test_child_that_is_not_understood_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    monkeypatch.setattr(trainer, "_command", lambda: [sys.executable, "-c", code])
    monkeypatch.setattr(trainer, "_ENDS_WITHIN_S", 0.1)
    with (
        (tmp_path / "faces").open("wb+") as faces,
        trainer.trainer({}, faces.fileno()) as child,
        pytest.raises(ServiceError) as ended,
    ):
        assert child.next(60.0) is None
    assert (ended.value.code, ended.value.status) == (told, 503)
