"""A private Redis for the tests: on loopback only, in memory."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.messages import stop
from tools.ports import free_port
from tools.system import find_program

START_S = 20
STOP_S = 20


class RedisServer:
    """A server that stores nothing on disk. After `kill` it can be started again on its port."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        program = find_program("redis-server", "valkey-server")
        if program is None:
            stop("redis-server is missing: install Redis.")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._command = [program, "--port", str(self.port), *options]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and return when it answers."""
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_until_ready(self.port, self.process)

    def kill(self) -> None:
        """Kill the server, as in a crash. Does nothing if it is not running."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_S)
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_S)
            self.process = None


@contextmanager
def private_redis(folder: Path, *, port: int | None = None) -> Iterator[str]:
    """The REDIS_URL of a running server, on the given port or on a free one."""
    server = RedisServer(folder, port)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            stop("Redis did not start.")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
    except OSError:
        return False
