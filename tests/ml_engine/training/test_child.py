"""The process that trains: what it takes of the machine."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from ml_engine.training.child import Request

_SHOW = """
import resource
from ml_engine.training.child import _bound_memory
_bound_memory()
print(open("/proc/self/oom_score_adj").read(), *resource.getrlimit(resource.RLIMIT_DATA))
"""


def test_memory_of_the_child_is_bounded_and_it_is_the_first_to_be_ended() -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", _SHOW]
    said = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    score, soft, hard = map(int, said.split())
    assert (score, soft) == (1000, hard)
    assert 2**31 <= soft != resource.RLIM_INFINITY


def test_pictures_stay_in_their_file(tmp_path: Path) -> None:
    pictures = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    with (tmp_path / "faces").open("wb+") as file:
        file.write(pictures.tobytes())
        file.flush()
        request = Request("train", "", file.fileno(), 4, 2, 1, [0, 1], 2, {}, "", "")
        people, camera = request.read_pictures()
        assert isinstance(people, np.memmap)
        np.testing.assert_array_equal(np.concatenate([people, camera]), pictures)
