"""A private MariaDB in one folder: on loopback only, with a generated password."""

from __future__ import annotations

import fcntl
import getpass
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.messages import note, stop
from tools.ports import free_port
from tools.system import find_program

NAME = "facerec"
START_S = 60
STOP_S = 60
# Options for a disposable database, whose data need not survive a crash.
FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0")


class MariadbServer:
    """A server with its data in `folder`. After `kill` it can be started again on the same port,
    with all committed data.

    is_disposable: makes the server faster, but a crash may lose data.
    """

    def __init__(self, folder: Path, *, is_disposable: bool = False) -> None:
        self._folder = folder
        self._is_disposable = is_disposable
        self._port: int | None = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return _url(self._folder)

    def start(self) -> None:
        """Start the server, and return when it answers."""
        folder = self._folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "data" / "mysql").exists():
            _set_up(folder / "data")
        self._port = self._port or free_port()
        (folder / "port").write_text(str(self._port))
        # In a new session, so that Ctrl-C does not reach the server: the site still writes while it
        # stops.
        self.process = subprocess.Popen(
            _command(folder, self._port, is_disposable=self._is_disposable),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_until_ready(folder, self.process)

    def kill(self) -> None:
        """Kill the server, as in a crash. Does nothing if it is not running."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_S)
            self.process = None

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None


@contextmanager
def private_mariadb(folder: Path, *, is_disposable: bool = False) -> Iterator[str]:
    """The DATABASE_URL of a running server with its data in `folder`.

    The caller that holds the lock of the folder owns the server and stops it at the end. A second
    caller uses the same server and leaves it running.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        if not _try_lock(lock.fileno()):
            yield _wait_for_other(folder)
            return
        _stop_left_behind(folder)
        server = MariadbServer(folder, is_disposable=is_disposable)
        try:
            server.start()
            yield server.url
        finally:
            server.stop()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_other(folder: Path) -> str:
    deadline = time.monotonic() + START_S
    while not (folder / "port").exists() or not _answers(_port(folder)):
        if time.monotonic() > deadline:
            stop(f"another process holds {folder} and its MariaDB does not answer.")
        time.sleep(0.2)
    return _url(folder)


def _command(folder: Path, port: int, *, is_disposable: bool) -> list[str]:
    return [
        _mariadbd(),
        "--no-defaults",
        *_as_root(),
        f"--datadir={folder / 'data'}",
        # Not in the system's temporary folder, from which other servers and cleaners delete files.
        f"--tmpdir={_own_tmp(folder)}",
        # Relative to the data folder, because the path of a socket may have at most 107 characters.
        "--socket=private.sock",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        f"--pid-file={folder / 'pid'}",
        f"--log-error={folder / 'error.log'}",
        f"--init-file={_first_statements(folder)}",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        "--max-allowed-packet=64M",
        *(FAST if is_disposable else ()),
    ]


def _own_tmp(folder: Path) -> Path:
    tmp = folder / "tmp"
    tmp.mkdir(exist_ok=True, mode=0o700)
    return tmp


def _set_up(data: Path) -> None:
    note("making a private MariaDB")
    program = find_program("mariadb-install-db", "mysql_install_db")
    if program is None:
        stop("mariadb-install-db is missing: install MariaDB's server.")
    command = [
        program,
        "--no-defaults",
        *_as_root(),
        f"--datadir={data}",
        "--skip-test-db",
        "--skip-name-resolve",
        # The user who runs this is root of the server, through the socket and without a password.
        "--auth-root-authentication-method=socket",
        f"--auth-root-socket-user={getpass.getuser()}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        stop(f"MariaDB could not be set up in {data}: {(done.stderr or done.stdout)[-500:]}")


def _mariadbd() -> str:
    program = find_program("mariadbd", "mysqld")
    if program is None:
        stop("mariadbd is missing: install MariaDB's server.")
    return program


def _as_root() -> list[str]:
    # Without this option the server refuses to run as root.
    return ["--user=root"] if os.geteuid() == 0 else []


def _first_statements(folder: Path) -> Path:
    """A file of statements that run at each start, before anyone can connect; one on each line."""
    account = f"'{NAME}'@'127.0.0.1'"
    path = folder / "init.sql"
    path.touch(mode=0o600)
    path.write_text(
        f"CREATE DATABASE IF NOT EXISTS {NAME} "
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n"
        f"CREATE USER IF NOT EXISTS {account};\n"
        f"ALTER USER {account} IDENTIFIED BY '{_password(folder)}';\n"
        f"GRANT ALL ON {NAME}.* TO {account};\n"
        f"GRANT ALL ON `test\\_{NAME}%`.* TO {account};\n"
    )
    return path


def _password(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(24))
    return path.read_text()


def _port(folder: Path) -> int:
    return int((folder / "port").read_text())


def _url(folder: Path) -> str:
    return f"mysql://{NAME}:{_password(folder)}@127.0.0.1:{_port(folder)}/{NAME}"


def _wait_until_ready(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(_port(folder)):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(f"MariaDB did not start; see {folder / 'error.log'}.")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    """True if the server sends its greeting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False


def _stop_left_behind(folder: Path) -> None:
    """Stop a server that still runs on these data because its owner was killed."""
    try:
        pid = int((folder / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if f"--datadir={folder / 'data'}".encode() not in command.split(b"\0"):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
