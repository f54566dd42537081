"""Programs of the site that tests start, stop, pause and kill. Each is a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.forking import NUMBER

ROOT = Path(__file__).resolve().parent.parent


class Program:
    """`python -m MODULE ARGUMENTS` in the root of the project, with what `subprocess.Popen` offers.

    It starts quickly: see `tests.forking`. stdout: its lines; with_errors: those of stderr as well.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        with_errors: bool = False,
    ) -> None:
        read, output = os.pipe()
        self._told, told = os.pipe()
        request = {"arguments": [module, *arguments], "environment": dict(environment)}
        try:
            files = [output, output if with_errors else 2, told]
            socket.send_fds(_starter(), [json.dumps(request).encode()], files)
        finally:
            os.close(output)
            os.close(told)
        self.stdout = os.fdopen(read)
        self.pid = self._number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs; negative: the signal that ended it."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            ready = select.poll()
            ready.register(self._told)
            if not ready.poll(None if timeout is None else 1000 * timeout):
                raise subprocess.TimeoutExpired(f"program {self.pid}", timeout or 0)
            self.returncode = self._number()
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        """The pid at first, then the exit code."""
        told = os.read(self._told, NUMBER.size)
        number: int = NUMBER.unpack(told)[0]
        return number


@cache
def _starter() -> socket.socket:
    """The line to the process that starts programs."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
        cwd=ROOT,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
