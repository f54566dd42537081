"""A Redis of our own for the tests: loopback only, in memory, stopped by its pid."""

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


@contextmanager
def private_redis(folder: Path, *, port: int | None = None) -> Iterator[str]:
    """REDIS_URL of a running server that keeps nothing; on a free port unless one is named."""
    program = find_program("redis-server", "valkey-server")
    if program is None:
        stop("redis-server is missing: install Redis.")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(
        [program, "--port", str(port), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_ready(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(START_S)


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
