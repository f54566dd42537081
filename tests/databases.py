"""The database of a test, for the processes that it starts, and ways to make it unavailable."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connection

from tests.programs import Program


def database_url(*, port: int | None = None) -> str:
    """DATABASE_URL of the database that this test uses; port: of a line to it."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    place = f"{values['HOST']}:{port or values['PORT'] or 3306}"
    return f"mysql://{values['USER']}:{values['PASSWORD']}@{place}/{values['NAME']}"


def pause(process: Program | subprocess.Popen[str]) -> None:
    """SIGSTOP. With SQLite not within a transaction that writes: its lock on the file would keep
    out all others for as long as the process is paused. (MariaDB ends such a transaction: see
    `idle_transaction_timeout` in the settings.)"""
    while True:
        process.send_signal(signal.SIGSTOP)
        if connection.vendor != "sqlite" or _may_write():
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.005)


def _may_write() -> bool:
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0.2, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        other.close()
    return True


@contextmanager
def locked_sqlite() -> Iterator[None]:
    """Within this block, no other process can write to the SQLite file."""
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=30, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.rollback()
        other.close()


class Line:
    """A way to the database server that can be cut: what is connected is broken off, and what
    wants to connect is refused, as if the server were gone."""

    def __init__(self) -> None:
        values = connection.settings_dict
        self._server = (values["HOST"], int(values["PORT"] or 3306))
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port = 0
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        assert self._listener is not None
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            with self._lock:
                self._open += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_carry, args=ends, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to_database() -> Iterator[Line]:
    line = Line()
    try:
        yield line
    finally:
        line.cut()
