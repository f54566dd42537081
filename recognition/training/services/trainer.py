"""The process that trains: started, heard, told to stop, and ended. See `ml_engine.training.child`.

Training is imported there alone. It has half of the cores and a low priority, so that recognition
in this process goes on, and nothing of this process's environment.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from django.conf import settings

from ml_engine.runtime.threads import cpu_threads
from recognition.engine import engine_config
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError
from recognition.web.storage import problem_of, storage_refusal

_START = (
    "import sys; sys.path.insert(0, {root!r}); from ml_engine.training.child import main; main()"
)
_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TMPDIR")
_SAID = 2000
# It may be tried again.
_BUSY = {"training_busy"}
_TOO_FEW = {"too_few_people"}
KILLED = "training_killed"
# An allocator that gets no memory ends its process with SIGABRT.
_BY_MEMORY = (-signal.SIGKILL, -signal.SIGABRT)
_ENDS_WITHIN_S = 10.0


class Trainer:
    """One running child."""

    def __init__(self, child: subprocess.Popen[str], said: IO[str]) -> None:
        self._child = child
        self._said = said
        self._answers: queue.Queue[JsonDict | None] = queue.Queue()
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def next(self, timeout_s: float) -> JsonDict | None:
        """The next answer: `progress` or `done`; None if none came in time.

        ServiceError with the child's reason if it failed; 503 `training_killed` if it was ended as
        the system does if memory is short, or `training_ended`.
        """
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if answer is None:
            raise self._ended()
        if failed := answer.get("failed"):
            raise _refusal(failed)
        return answer

    def stop(self) -> None:
        """End after the step that it is in, with the best weights so far."""
        self._write("stop")

    def end(self) -> None:
        """Kill it, and hear the end of its output before the pipes are closed."""
        self._child.kill()
        self._child.wait()
        self._hearing.join()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _write(self, line: str) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(f"{line}\n")
            self._child.stdin.flush()

    def _hear(self) -> None:
        assert self._child.stdout is not None
        try:
            # Half a line, of a child that was killed while it wrote, ends it as well.
            with suppress(ValueError):
                for line in self._child.stdout:
                    self._answers.put(json.loads(line))
        finally:
            self._answers.put(None)

    def _ended(self) -> ServiceError:
        try:
            status = self._child.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            message = "The process that trains said something that is no answer."
            return ServiceError("training_ended", message, status=503)
        self._said.seek(0)
        lines = self._said.read()[-_SAID:].strip().splitlines()
        told = f": {lines[-1]}" if lines and status >= 0 else ""
        message = f"The process that trains ended with status {status}{told}"
        code = KILLED if status in _BY_MEMORY else "training_ended"
        return ServiceError(code, message, status=503)


@contextmanager
def trainer(request: JsonDict, data: int) -> Iterator[Trainer]:
    """A child that works on a request, until the end of `with`. data: its open file of pictures."""
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            _command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=_environment(),
            pass_fds=[data],
            start_new_session=True,
        )
        running = Trainer(child, said)
        try:
            running._write(json.dumps({**request, "data": data}))
            yield running
        finally:
            running.end()


def _command() -> list[str]:
    return [sys.executable, "-I", "-c", _START.format(root=str(settings.BASE_DIR))]


def _environment() -> dict[str, str]:
    threads = str(max(1, cpu_threads() // 2))
    found = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if engine_config().device == "cpu":
        found["CUDA_VISIBLE_DEVICES"] = "-1"
    return found | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }


def _refusal(failed: JsonDict) -> ServiceError:
    code, message = str(failed["code"]), str(failed["message"])
    if number := failed.get("errno"):
        problem = problem_of(OSError(int(number), message))
        return storage_refusal(problem) if problem else ServiceError(code, message, status=503)
    status = 503 if code in _BUSY else 409 if code in _TOO_FEW else 422
    return ServiceError(code, message, status=status)
