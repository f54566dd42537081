"""A child that trains nothing: it keeps the protocol, so that tests need no TensorFlow."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.own_models import tiny_tflite

# `steps` steps, each with a point of the curve; then what `ends` says. A step takes PAUSE_S.
_CODE = """
import json, os, select, shutil, sys, time
request = json.loads(sys.stdin.readline())
os.makedirs(request["folder"], exist_ok=True)
def say(**answer):
    print(json.dumps(answer), flush=True)
curve = []
for step in range(1, {steps} + 1):
    curve.append({{"step": step, "loss": 1 / step, "rate": 0.1, "auc": 0.9, "accuracy": 0.8}})
    position = {{"step": step, "steps": {steps}, "curve": curve}}
    say(progress=position)
    if select.select([sys.stdin], [], [], {pause_s})[0]:
        break
{ends}
"""
_DONE = """
shutil.copy({model!r}, request["folder"])
say(done=position | {{"file": os.path.basename({model!r}), "figures": {{"data": request["people"]}},
                     "record": {{"code": "abc"}}}})
"""
DISK_FULL = 'say(failed={"code": "os_error", "message": "No space left", "errno": 28})'
REFUSED = 'say(failed={"code": "training_failed", "message": "The picture becomes too small."})'
LEFT = "os._exit(3)"
KILLED = "os.kill(os.getpid(), 9)"


def child(folder: Path, *, steps: int = 3, ends: str = "", pause_s: float = 0.02) -> list[str]:
    """The command of a child. ends: its last lines; empty for a model."""
    ends = ends or _DONE.format(model=str(tiny_tflite(folder / "model.tflite")))
    return [sys.executable, "-c", _CODE.format(steps=steps, ends=ends, pause_s=pause_s)]
