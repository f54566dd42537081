"""A site in a separate process, and calls to it over real connections."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.programs import ROOT, Program

PATIENCE_S = 60.0


class Served:
    """A running site. `made` is what `served.py` printed. within: a command that runs it."""

    def __init__(
        self, folder: Path, *arguments: str, within: Sequence[str] = (), **environment: str
    ) -> None:
        self.folder = folder
        if "DATABASE_URL" not in environment and "--join" not in arguments:
            arguments = ("--tables", str(_tables()), *arguments)
        variables = {**environment_of(folder), **environment}
        self.process = _run(within, *arguments, environment=variables)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.made: dict[str, Any] = json.loads(self.line_with("{"))
        told = self.line_with("stop it with Ctrl-C")
        self.address = re.search(r"(https?)://localhost:(\d+)", told)

    def line_with(self, text: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if found := next((line for line in self.lines if text in line), None):
                return found
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.02)
        pytest.fail(f"no line with {text!r}:\n{''.join(self.lines)}")

    @property
    def url(self) -> str:
        assert self.address
        return f"{self.address[1]}://localhost:{self.address[2]}"

    def socket(self, path: str, *, key: str | None = None, **options: Any) -> connect:
        headers = dict(options.pop("headers", {}))
        if key:
            headers["Authorization"] = f"Bearer {self.made[key]}"
        url = self.url.replace("http", "ws") + path
        return connect(url, additional_headers=headers, max_size=None, **options)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reader.join(5)
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def tracebacks(self) -> str:
        """What the log shows of errors that nobody expected; empty if there were none."""
        text = "".join(self.lines)
        begin = text.find("Traceback (most recent call last)")
        return "" if begin < 0 else text[max(0, begin - 500) :]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "facerec.sqlite3") as database:
            return database.execute(sql).fetchall()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)


def _run(
    within: Sequence[str], *arguments: str, environment: Mapping[str, str]
) -> Program | subprocess.Popen[str]:
    module = "tests.facerec_site.served"
    if not within:
        return Program(module, *arguments, environment=environment, with_errors=True)
    return subprocess.Popen(
        [*within, sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@cache
def _tables() -> Path:
    """An SQLite file with all tables and no rows, because to make them takes a second each time."""
    folder = Path(tempfile.mkdtemp(prefix="facerec-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    variables = {**environment_of(folder), "DJANGO_SETTINGS_MODULE": "facerec_site.settings_test"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env=variables, check=True)
    return folder / "facerec.sqlite3"


def environment_of(folder: Path) -> dict[str, str]:
    """An environment without the variables of another site on this machine."""
    names = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return {**inherited, "ENV_FILE": os.devnull, "FACEREC_VAR": str(folder)}


async def hear(client: ClientConnection) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(client.recv(), PATIENCE_S))


async def closed_with(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(websockets.ConnectionClosed) as closed:
        while True:
            await asyncio.wait_for(client.recv(), PATIENCE_S)
    received = closed.value.rcvd
    assert received is not None
    return received.code, received.reason


async def start_session(client: ClientConnection, site: Served) -> None:
    await client.send(json.dumps({"type": "session.start", "collection": site.made["collection"]}))
    while (await hear(client))["type"] != "session.started":
        pass


async def send_frame(client: ClientConnection, frame: bytes) -> dict[str, Any]:
    await client.send(frame)
    while (answer := await hear(client))["type"] == "event":
        pass
    return answer
